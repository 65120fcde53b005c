import { eventsFrom, eventsKeptMs, readEvents } from '../../lib/aws/events/events.ts';
import { eventPlace } from '../../lib/aws/keys.ts';
import { planDeliveriesTo } from '../../lib/aws/webhooks/deliveries.ts';
import { listDeliveries } from '../../lib/aws/webhooks/delivery-list.ts';
import type { ReplayMessage } from '../../lib/aws/webhooks/delivery-queue.ts';
import { readEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { PacelineEvent } from '../../lib/domain/event-types.ts';
import { type Endpoint, wants } from '../../lib/domain/webhooks/endpoint.ts';
import type { WebhookDeps } from './deps.ts';

/** The events of one step. */
const perStep = 100;

/**
 * Sends a range again: deliveries that failed, or every event of the log that the endpoint wants. It goes step by step, oldest first, which
 * keeps the order of each chat. A range that outlasts the invocation goes on in a message of its own. A repeated step delivers nothing twice.
 */
export async function replay(deps: WebhookDeps, asked: ReplayMessage, lastStartMs: number): Promise<void> {
  let after = asked.after;
  for (let first = true; first || deps.clock.nowMs() < lastStartMs; first = false) {
    const endpoint = await readEndpoint(deps.table, asked.t, asked.w);
    if (endpoint === undefined || !endpoint.active) return;
    const step = asked.onlyFailed
      ? await failedEvents(deps, asked, after)
      : await loggedEvents(deps, asked, endpoint, after);
    await planDeliveriesTo(deps, endpoint, step.events, { at: asked.at, replayId: asked.replay });
    deps.count('EventsReplayed', step.events.length);
    after = step.next;
    if (after === undefined) return;
  }
  await deps.deliveries.send([
    { message: { ...asked, ...(after === undefined ? {} : { after }) }, key: `${asked.replay}#${after}` },
  ]);
}

interface Step {
  events: PacelineEvent[];
  next: string | undefined;
}

async function failedEvents(deps: WebhookDeps, asked: ReplayMessage, after: string | undefined): Promise<Step> {
  const { t: tenantId, w: id, since: sinceMs, until: untilMs } = asked;
  const { items, next } = await listDeliveries(
    deps.table,
    { tenantId, id },
    {
      limit: perStep,
      status: 'failed',
      sinceMs,
      untilMs,
      oldestFirst: true,
      ...(after === undefined ? {} : { after }),
    },
  );
  const refs = new Map(items.map(({ eventId, eventAt }) => [eventId, { tenantId, at: eventAt, id: eventId }]));
  const events = await readEvents(deps.table, [...refs.values()]);
  return { events: events.filter((event) => event !== undefined), next };
}

async function loggedEvents(
  deps: WebhookDeps,
  asked: ReplayMessage,
  endpoint: Endpoint,
  after: string | undefined,
): Promise<Step> {
  const place = after === undefined ? undefined : eventPlace.read(after);
  const position = place === undefined ? {} : { after: place };
  // The log keeps nothing older, and each day costs a query.
  const sinceMs = Math.max(asked.since, asked.at - eventsKeptMs);
  const range = { sinceMs, untilMs: asked.until, limit: perStep, ...position };
  const { items, next } = await eventsFrom(deps.table, asked.t, range);
  const events = items.filter((event) => wants(endpoint, event));
  return { events, next: next === undefined ? undefined : eventPlace.of(next) };
}
