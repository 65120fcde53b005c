import { createHash } from 'node:crypto';
import { type EventSelector, matchesType, type PacelineEvent } from '../event-types.ts';

/** Why an endpoint was disabled without being asked: it answered 410, or every attempt of five days failed. */
export type DisabledReason = 'gone' | 'failing';

/** `until` (epoch ms): the secret was replaced and still signs until then. */
export interface EndpointSecret {
  secret: string;
  until?: number;
}

/** What a tenant sets of an endpoint. */
export interface EndpointSettings {
  name: string;
  url: string;
  events: EventSelector[];
  /** Only events of these accounts; an event of no account is none of them. */
  accountIds?: string[];
  headers?: Record<string, string>;
  rateLimitPerSec?: number;
  /** Events of one chat arrive in their order; one that fails holds back the later ones of its chat. */
  ordered: boolean;
  active: boolean;
}

/** A URL to which events of a tenant are delivered. Times are epoch ms. */
export interface Endpoint extends EndpointSettings {
  id: string;
  tenantId: string;
  disabledReason?: DisabledReason;
  disabledAt?: number;
  /** The newest first; those behind it are on their way out. */
  secrets: EndpointSecret[];
  createdAt: number;
}

/** Endpoints of one tenant: each event is matched against all of them. */
export const mostEndpoints = 50;
/** How long a replaced secret still signs, so that receivers can change over. */
export const secretOverlapMs = 24 * 3_600_000;
/** Signatures of one delivery: the newest secret and those that were replaced within the overlap. */
const mostSecrets = 5;

export function wants(endpoint: Endpoint, event: Pick<PacelineEvent, 'type' | 'accountId'>): boolean {
  if (!endpoint.active || !endpoint.events.some((selector) => matchesType(selector, event.type))) return false;
  const { accountIds } = endpoint;
  return accountIds === undefined || (event.accountId !== undefined && accountIds.includes(event.accountId));
}

/** The secrets that sign at this moment, newest first. */
export function signingSecrets(endpoint: Pick<Endpoint, 'secrets'>, nowMs: number): string[] {
  return endpoint.secrets.filter(({ until }) => until === undefined || until > nowMs).map(({ secret }) => secret);
}

/** The secrets after a rotation: the new one first, the others for as long as they had, the current one for 24 h. */
export function rotated(secrets: readonly EndpointSecret[], secret: string, nowMs: number): EndpointSecret[] {
  const kept = secrets
    .filter((old) => old.secret !== secret && (old.until ?? nowMs + 1) > nowMs)
    .map((old) => ({ secret: old.secret, until: old.until ?? nowMs + secretOverlapMs }));
  return [{ secret }, ...kept.slice(0, mostSecrets - 1)];
}

/**
 * Queue groups of an endpoint. The deliveries of a group are worked off by one invocation at a time, ten at once: what a dead endpoint can
 * take of the function is four invocations, and forty requests under way are enough for 200 a second at 200 ms each.
 */
export const groupsPerEndpoint = 4;

/** The group of a delivery: those of one chat share one; with a rate limit there is one group, or several invocations would share the rate. */
export function groupOf(endpoint: Pick<Endpoint, 'rateLimitPerSec'>, of: { chat?: string; eventId: string }): number {
  if (endpoint.rateLimitPerSec !== undefined) return 0;
  const [first = 0] = createHash('sha256')
    .update(of.chat ?? of.eventId)
    .digest();
  return first % groupsPerEndpoint;
}
