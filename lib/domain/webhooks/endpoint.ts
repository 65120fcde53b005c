import { createHash } from 'node:crypto';
import { type EventSelector, matchesType, type PacelineEvent } from '../event-types.ts';

/** The reason why Paceline disabled an endpoint: `gone`: it answered 410; `failing`: every attempt of five days failed. */
export type DisabledReason = 'gone' | 'failing';

/** A signing secret. With `until` (epoch ms) it has been replaced, and signs only until then. */
export interface EndpointSecret {
  secret: string;
  until?: number;
}

/** The fields of an endpoint that its tenant sets. */
export interface EndpointSettings {
  name: string;
  url: string;
  events: EventSelector[];
  /** Only events of these accounts are sent. Events without an account are not. Absent: all events. */
  accountIds?: string[];
  headers?: Record<string, string>;
  rateLimitPerSec?: number;
  /** Events of one chat are sent in order. A failed one delays the later ones of its chat. */
  ordered: boolean;
  active: boolean;
}

/** A URL to which events of a tenant are delivered. Times are epoch ms. */
export interface Endpoint extends EndpointSettings {
  id: string;
  tenantId: string;
  disabledReason?: DisabledReason;
  disabledAt?: number;
  /** Newest first. The others have been replaced and end soon. */
  secrets: EndpointSecret[];
  createdAt: number;
}

/** Most endpoints of one tenant. Each event is compared with all of them. */
export const mostEndpoints = 50;
/** The time for which a replaced secret still signs. Receivers change to the new one in this time. */
export const secretOverlapMs = 24 * 3_600_000;
/** Most secrets that sign a delivery: the newest one, and those replaced within the overlap. */
const mostSecrets = 5;

/** Returns whether an endpoint gets an event: it is active, and selects the type and the account. */
export function wants(endpoint: Endpoint, event: Pick<PacelineEvent, 'type' | 'accountId'>): boolean {
  if (!endpoint.active || !endpoint.events.some((selector) => matchesType(selector, event.type))) return false;
  const { accountIds } = endpoint;
  return accountIds === undefined || (event.accountId !== undefined && accountIds.includes(event.accountId));
}

/** Returns the secrets that sign at `nowMs`, newest first. */
export function signingSecrets(endpoint: Pick<Endpoint, 'secrets'>, nowMs: number): string[] {
  return endpoint.secrets.filter(({ until }) => until === undefined || until > nowMs).map(({ secret }) => secret);
}

/** Returns the secrets after a rotation, the new one first. The replaced one signs for 24 h more; older ones keep their time. */
export function rotated(secrets: readonly EndpointSecret[], secret: string, nowMs: number): EndpointSecret[] {
  const kept = secrets
    .filter((old) => old.secret !== secret && (old.until ?? nowMs + 1) > nowMs)
    .map((old) => ({ secret: old.secret, until: old.until ?? nowMs + secretOverlapMs }));
  return [{ secret }, ...kept.slice(0, mostSecrets - 1)];
}

/**
 * Queue groups of an endpoint. One invocation at a time handles a group, ten deliveries at once. So a dead endpoint occupies at most four
 * invocations. Forty requests at once are enough for 200 deliveries a second at 200 ms each.
 */
export const groupsPerEndpoint = 4;

/** Returns the group of a delivery; one for each chat. With a rate limit there is one group, so that a single invocation keeps the rate. */
export function groupOf(endpoint: Pick<Endpoint, 'rateLimitPerSec'>, of: { chat?: string; eventId: string }): number {
  if (endpoint.rateLimitPerSec !== undefined) return 0;
  const [first = 0] = createHash('sha256')
    .update(of.chat ?? of.eventId)
    .digest();
  return first % groupsPerEndpoint;
}
