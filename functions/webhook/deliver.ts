import { headOfLine, leaveLine, messageOf } from '../../lib/aws/webhooks/deliveries.ts';
import { storeSettlement } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import { type DeliveryMessage, longestDelayMs } from '../../lib/aws/webhooks/delivery-queue.ts';
import { claimProbe, recordFailure, recordSuccess } from '../../lib/aws/webhooks/endpoint-health.ts';
import { disableEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { PacelineEvent } from '../../lib/domain/event-types.ts';
import { inboundIn } from '../../lib/domain/inbound/inbound.ts';
import type { Verdict } from '../../lib/domain/webhooks/answer.ts';
import { admit, type Health, isFailingForTooLong } from '../../lib/domain/webhooks/breaker.ts';
import { type Delivery, postpone, type Settlement, settle } from '../../lib/domain/webhooks/delivery.ts';
import type { DisabledReason, Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import { attempt } from './attempt.ts';
import type { WebhookDeps } from './deps.ts';
import type { Turns } from './turns.ts';

/** A message of the queue with what the table says of it, read for the whole batch at once. */
export interface Work {
  message: DeliveryMessage;
  delivery: Delivery | undefined;
  endpoint: Endpoint | undefined;
  health: Health | undefined;
  /** With what its message says; undefined when the log has it no more, or never had. */
  event: PacelineEvent | undefined;
}

/** A message that is this little early is in time: delays are whole seconds, clocks differ. */
const earlyMs = 1_000;
/** Until another delivery's probe of the endpoint may have been answered. */
const probeWaitMs = 5_000;

/**
 * One message of the delivery queue:
 *
 *   final, gone, not due yet, not the first of its chat  -> nothing, or back to its time
 *   endpoint deleted or disabled, content no longer kept -> failed
 *   breaker open                                         -> postponed, without an attempt
 *   otherwise                                            -> one attempt: outcome stored first, then what follows from it
 *
 * Whatever it dies over, the message comes again and goes on from what is stored. Throws when the table or a queue fails.
 */
export async function deliver(deps: WebhookDeps, work: Work, turns: Turns): Promise<void> {
  const { delivery, endpoint } = work;
  if (delivery === undefined) return;
  if (endpoint === undefined) return await endWithEndpoint(deps, delivery);
  // Sent twice, or stored by a worker that died before it told the next of the chat.
  if (delivery.status !== 'pending') return await leaveLine(deps, delivery, endpoint);
  if ((delivery.nextAttemptAt ?? 0) > deps.clock.nowMs() + earlyMs) {
    // Another try: what was sent for this time already would be swallowed, though the clock of who sent it was ahead.
    return await schedule(deps, delivery, endpoint, tries(work));
  }
  if (!endpoint.active && delivery.once !== true) {
    return await fail(deps, delivery, endpoint, 'endpoint_disabled');
  }
  if (delivery.line !== undefined) {
    const head = await headOfLine(deps.table, delivery, delivery.line);
    // The one in front sends it on when it is final.
    if (head !== undefined && head.id !== delivery.id) return;
  }
  const waitUntil = delivery.once === true ? undefined : await breakerWait(deps, endpoint, work.health);
  if (waitUntil !== undefined) return await wait(deps, delivery, endpoint, waitUntil);
  const event = eventOf(delivery, work.event);
  if (event === undefined) return await fail(deps, delivery, endpoint, 'content_gone');
  const turn = await turns.take(endpoint);
  if (turn.kind === 'later') return await deps.deliveries.later({ ...work.message, tries: tries(work) }, turn.afterMs);
  await tryOnce(deps, delivery, endpoint, event, work.health);
}

const tries = ({ message }: Work): number => (message.tries ?? 0) + 1;

async function tryOnce(
  deps: WebhookDeps,
  delivery: Delivery,
  endpoint: Endpoint,
  event: PacelineEvent,
  health: Health | undefined,
): Promise<void> {
  const { attempt: made, verdict } = await attempt(deps, endpoint, event);
  deps.count('DeliveryAttempts');
  const settlement = settle(delivery, verdict, moment(deps));
  const stored = await storeSettlement(deps.table, delivery, settlement, deps.clock.nowMs(), made);
  if (verdict.kind === 'delivered' && delivery.replay !== true) deps.count('InboundDelivered', inboundIn(event));
  if (delivery.once !== true) await noteHealth(deps, endpoint, health, verdict, made.at);
  await follow(deps, stored ?? { ...delivery, ...settlement }, endpoint);
}

/** Undefined: an attempt may be made now. A probe is claimed here. */
async function breakerWait(
  deps: WebhookDeps,
  endpoint: Endpoint,
  health: Health | undefined,
): Promise<number | undefined> {
  const nowMs = deps.clock.nowMs();
  const admission = admit(health, nowMs);
  if (admission.kind === 'go') return undefined;
  if (admission.kind === 'wait') return admission.until;
  return (await claimProbe(deps.table, endpoint, nowMs)) ? undefined : nowMs + probeWaitMs;
}

async function noteHealth(
  deps: WebhookDeps,
  endpoint: Endpoint,
  health: Health | undefined,
  verdict: Verdict,
  startedAt: number,
): Promise<void> {
  if (verdict.kind === 'delivered') {
    if (health !== undefined) await recordSuccess(deps.table, endpoint, startedAt);
    return;
  }
  if (verdict.kind === 'gone') return await disable(deps, endpoint, 'gone');
  const slowDown = verdict.kind === 'slow_down';
  const nowMs = deps.clock.nowMs();
  const retry =
    verdict.kind === 'slow_down' && verdict.retryAfterMs !== undefined ? { retryAfterMs: verdict.retryAfterMs } : {};
  const failure = { startedAt, nowMs, slowDown, random: deps.random(), ...retry };
  const now = await recordFailure(deps.table, endpoint, failure);
  if (isFailingForTooLong(now, nowMs)) await disable(deps, endpoint, 'failing');
}

async function disable(deps: WebhookDeps, endpoint: Endpoint, reason: DisabledReason): Promise<void> {
  if (await disableEndpoint(deps.table, endpoint, reason, deps.clock.nowMs())) deps.count('EndpointsDisabled');
}

/** What follows from the delivery as it is stored now. */
async function follow(deps: WebhookDeps, delivery: Delivery, endpoint: Endpoint): Promise<void> {
  switch (delivery.status) {
    case 'pending':
      return await schedule(deps, delivery, endpoint);
    case 'delivered':
      deps.count('DeliveriesDelivered');
      return await leaveLine(deps, delivery, endpoint);
    case 'failed':
      deps.count('DeliveriesGivenUp');
      return await leaveLine(deps, delivery, endpoint);
    default:
      return delivery.status satisfies never;
  }
}

/** Sends it for its time. What is further away than the queue can hold is found by the sweep. */
async function schedule(deps: WebhookDeps, delivery: Delivery, endpoint: Endpoint, tries?: number): Promise<void> {
  const delayMs = (delivery.nextAttemptAt ?? 0) - deps.clock.nowMs();
  if (delayMs > longestDelayMs) return;
  const message = messageOf(delivery, endpoint);
  await deps.deliveries.later(tries === undefined ? message : { ...message, tries }, delayMs);
}

/** Its endpoint was deleted. Nobody can ask for the delivery any more, but the sweep would find it in the index for as long as it is kept. */
async function endWithEndpoint(deps: WebhookDeps, delivery: Delivery): Promise<void> {
  if (delivery.status !== 'pending') return;
  const settlement: Settlement = { status: 'failed', reason: 'endpoint_disabled', slot: delivery.slot };
  await storeSettlement(deps.table, delivery, settlement, deps.clock.nowMs());
}

async function wait(deps: WebhookDeps, delivery: Delivery, endpoint: Endpoint, untilMs: number): Promise<void> {
  deps.count('DeliveriesPostponed');
  await storeAndFollow(deps, delivery, endpoint, postpone(delivery, untilMs, moment(deps)));
}

async function fail(
  deps: WebhookDeps,
  delivery: Delivery,
  endpoint: Endpoint,
  reason: 'endpoint_disabled' | 'content_gone',
): Promise<void> {
  await storeAndFollow(deps, delivery, endpoint, { status: 'failed', reason, slot: delivery.slot });
}

/** Settled without an attempt. */
async function storeAndFollow(
  deps: WebhookDeps,
  delivery: Delivery,
  endpoint: Endpoint,
  settlement: Settlement,
): Promise<void> {
  const stored = await storeSettlement(deps.table, delivery, settlement, deps.clock.nowMs());
  await follow(deps, stored ?? { ...delivery, ...settlement }, endpoint);
}

/** What is not in the log travels with the delivery. */
function eventOf(delivery: Delivery, logged: PacelineEvent | undefined): PacelineEvent | undefined {
  const { data, eventId: id, eventAt: at, eventType: type, tenantId } = delivery;
  return data === undefined ? logged : { id, at, type, tenantId, data: JSON.parse(data), logged: false };
}

const moment = (deps: WebhookDeps) => ({
  nowMs: deps.clock.nowMs(),
  random: deps.random(),
  scheduleSec: deps.scheduleSec,
});
