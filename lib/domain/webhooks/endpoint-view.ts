import type { EventSelector } from '../event-types.ts';
import { isoOf, toIso } from '../times.ts';
import type { DisabledReason, Endpoint } from './endpoint.ts';

/** A webhook endpoint as the HTTP API and events show it: without secrets and without values of headers. */
export interface EndpointView {
  id: string;
  name: string;
  url: string;
  events: EventSelector[];
  accountIds: string[] | null;
  headers: Record<string, string>;
  rateLimitPerSec: number | null;
  ordered: boolean;
  active: boolean;
  disabledReason: DisabledReason | null;
  disabledAt: string | null;
  createdAt: string;
}

/** Shown in place of the value of a header, which may be a password. */
const hidden = '***';

/** Returns an endpoint as GET shows it. Pure. */
export function endpointView(endpoint: Endpoint): EndpointView {
  const { id, name, url, events, accountIds, headers, rateLimitPerSec, ordered, active, disabledReason } = endpoint;
  return {
    id,
    name,
    url,
    events,
    accountIds: accountIds ?? null,
    headers: Object.fromEntries(Object.keys(headers ?? {}).map((header) => [header, hidden])),
    rateLimitPerSec: rateLimitPerSec ?? null,
    ordered,
    active,
    disabledReason: disabledReason ?? null,
    disabledAt: toIso(endpoint.disabledAt),
    createdAt: isoOf(endpoint.createdAt),
  };
}
