import { headOfSequence, leaveSequence, messageOf } from '../../lib/aws/webhooks/deliveries.ts';
import { storeOutcome } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import { type DeliveryMessage, longestDelayMs } from '../../lib/aws/webhooks/delivery-queue.ts';
import { claimProbe, recordFailure, recordSuccess } from '../../lib/aws/webhooks/endpoint-health.ts';
import { disableEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { PacelineEvent } from '../../lib/domain/event-types.ts';
import { inboundIn } from '../../lib/domain/inbound/inbound.ts';
import type { Verdict } from '../../lib/domain/webhooks/answer.ts';
import { admit, type Health, isFailingForTooLong } from '../../lib/domain/webhooks/breaker.ts';
import { type Delivery, type DeliveryOutcome, outcomeOf, postpone } from '../../lib/domain/webhooks/delivery.ts';
import type { DisabledReason, Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import { attempt } from './attempt.ts';
import type { WebhookDeps } from './deps.ts';
import type { RateLimiter } from './rate-limiter.ts';

/** A message of the queue with the items that it names, read for the whole batch at once. */
export interface Work {
  message: DeliveryMessage;
  delivery: Delivery | undefined;
  endpoint: Endpoint | undefined;
  health: Health | undefined;
  /** The event with its content; undefined when the log has it no more, or never had. */
  event: PacelineEvent | undefined;
}

/** A message that comes so little before its time is sent: delays are whole seconds, and clocks differ. */
const earlyMs = 1_000;
/** The wait while another delivery probes the endpoint. Its attempt may have been answered then. */
const probeWaitMs = 5_000;

/**
 * Handles one message of the delivery queue:
 *
 *   final, gone, not due yet, not the first of its chat  -> nothing, or back to its time
 *   endpoint deleted or disabled, content no longer kept -> failed
 *   breaker open                                         -> postponed, without an attempt
 *   otherwise                                            -> one attempt: outcome stored first, then what follows from it
 *
 * After a crash the message comes again, and its delivery goes on from its stored state. Throws when the table or a queue fails.
 */
export async function deliver(deps: WebhookDeps, work: Work, limiter: RateLimiter): Promise<void> {
  const { delivery, endpoint } = work;
  if (delivery === undefined) return;
  if (endpoint === undefined) return await endWithEndpoint(deps, delivery);
  // Sent twice, or stored by a worker that died before it sent the next one of the chat.
  if (delivery.status !== 'pending') return await leaveSequence(deps, delivery, endpoint);
  const isEarly = (delivery.nextAttemptAt ?? 0) > deps.clock.nowMs() + earlyMs;
  if (isEarly) return await putBack(deps, work, delivery, endpoint);
  if (!endpoint.active && delivery.once !== true) {
    return await fail(deps, delivery, endpoint, 'endpoint_disabled');
  }
  if (delivery.line !== undefined) {
    const head = await headOfSequence(deps.table, delivery, delivery.line);
    // The one in front sends this one when it is final itself.
    if (head !== undefined && head.id !== delivery.id) return;
  }
  const event = eventOf(delivery, work.event);
  if (event === undefined) return await fail(deps, delivery, endpoint, 'content_gone');
  // After everything that needs no request: this may claim the probe of an endpoint that fails.
  const waitUntil = delivery.once === true ? undefined : await breakerWait(deps, endpoint, work.health);
  if (waitUntil !== undefined) return await wait(deps, delivery, endpoint, waitUntil);
  const permit = await limiter.take(endpoint);
  if (permit.kind === 'later')
    return await deps.deliveries.later({ ...work.message, tries: tries(work) }, permit.afterMs);
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
  const outcome = outcomeOf(delivery, verdict, moment(deps));
  const stored = await storeOutcome(deps.table, delivery, outcome, deps.clock.nowMs(), made);
  if (verdict.kind === 'delivered' && delivery.replay !== true) deps.count('InboundDelivered', inboundIn(event));
  if (delivery.once !== true) await noteHealth(deps, endpoint, health, verdict, made.at);
  await follow(deps, stored ?? { ...delivery, ...outcome }, endpoint);
}

/** Returns until when (epoch ms) the delivery must wait; undefined: an attempt may be made now. Claims the probe. */
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

/** Sends a delivery that is pending for its next attempt. One that is final leaves its sequence. */
async function follow(deps: WebhookDeps, delivery: Delivery, endpoint: Endpoint): Promise<void> {
  switch (delivery.status) {
    case 'pending':
      return await schedule(deps, delivery, endpoint);
    case 'delivered':
      deps.count('DeliveriesDelivered');
      return await leaveSequence(deps, delivery, endpoint);
    case 'failed':
      deps.count('DeliveriesGivenUp');
      return await leaveSequence(deps, delivery, endpoint);
    default:
      return delivery.status satisfies never;
  }
}

/** Puts a delivery that came before its time, planned or sent by a clock that is ahead, where it is found again when it is due. */
async function putBack(deps: WebhookDeps, work: Work, delivery: Delivery, endpoint: Endpoint): Promise<void> {
  const { slot, nextAttemptAt = 0 } = delivery;
  if (nextAttemptAt - deps.clock.nowMs() > longestDelayMs) {
    // A delivery that was planned as due is not in the index yet.
    return await storeAndFollow(deps, delivery, endpoint, { status: 'pending', slot, nextAttemptAt });
  }
  // Under a new try number: the queue would drop a second message for the same time.
  await schedule(deps, delivery, endpoint, tries(work));
}

/** Puts the delivery on the queue for its time. One that is due later than the queue can delay is in the index, where the sweep finds it. */
async function schedule(deps: WebhookDeps, delivery: Delivery, endpoint: Endpoint, tries?: number): Promise<void> {
  const delayMs = (delivery.nextAttemptAt ?? 0) - deps.clock.nowMs();
  if (delayMs > longestDelayMs) return;
  const message = messageOf(delivery, endpoint);
  await deps.deliveries.later(tries === undefined ? message : { ...message, tries }, delayMs);
}

/** Ends a delivery whose endpoint was deleted. Otherwise the sweep would find it in the index for as long as it is kept. */
async function endWithEndpoint(deps: WebhookDeps, delivery: Delivery): Promise<void> {
  if (delivery.status !== 'pending') return;
  const outcome: DeliveryOutcome = { status: 'failed', reason: 'endpoint_disabled', slot: delivery.slot };
  await storeOutcome(deps.table, delivery, outcome, deps.clock.nowMs());
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

/** Stores an outcome that came without an attempt. */
async function storeAndFollow(
  deps: WebhookDeps,
  delivery: Delivery,
  endpoint: Endpoint,
  outcome: DeliveryOutcome,
): Promise<void> {
  const stored = await storeOutcome(deps.table, delivery, outcome, deps.clock.nowMs());
  await follow(deps, stored ?? { ...delivery, ...outcome }, endpoint);
}

/** Returns the event of a delivery: from its own data where the log does not keep it, else from the log. */
function eventOf(delivery: Delivery, logged: PacelineEvent | undefined): PacelineEvent | undefined {
  const { data, eventId: id, eventAt: at, eventType: type, tenantId } = delivery;
  return data === undefined ? logged : { id, at, type, tenantId, data: JSON.parse(data), logged: false };
}

const moment = (deps: WebhookDeps) => ({
  nowMs: deps.clock.nowMs(),
  random: deps.random(),
  scheduleSec: deps.scheduleSec,
});
