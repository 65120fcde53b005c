import type { EventSelector } from '../event-types.ts';
import { isoOf, toIso } from '../times.ts';
import type { DisabledReason, Endpoint } from './endpoint.ts';

/** A webhook endpoint as the HTTP surface and its events show it: without secrets, and without what its headers hold. */
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

/** In place of a header's value: it may be a password. */
const hidden = '***';

/** Pure. */
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
