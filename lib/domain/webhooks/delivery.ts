import { createHash } from 'node:crypto';
import type { EventType } from '../event-types.ts';
import { newId } from '../ids.ts';
import type { Attempt, Verdict } from './answer.ts';
import { waitMs } from './schedule.ts';

/** The reason why a delivery failed for good. `attempts` has the answers. */
export type FailedReason = 'given_up' | 'gone' | 'endpoint_disabled' | 'content_gone';

/**
 * One event to one endpoint.
 *
 *   pending -> delivered   an attempt was answered 2xx
 *   pending -> pending     an attempt failed and the schedule has more, or the endpoint's breaker is open
 *   pending -> failed      the schedule is over, 410, the endpoint was disabled, or the event's content is no longer kept
 *
 * Times are epoch ms. `slot` is the index of the next attempt in the schedule.
 */
export interface Delivery {
  id: string;
  tenantId: string;
  endpointId: string;
  /** The time when the event or a replay planned the delivery. */
  at: number;
  eventId: string;
  eventType: EventType;
  eventAt: number;
  status: 'pending' | 'delivered' | 'failed';
  reason?: FailedReason;
  attempts: Attempt[];
  slot: number;
  nextAttemptAt?: number;
  /** The chat in whose sequence the delivery is. Only for endpoints with `ordered`. The stored attribute is named `line`, too. */
  line?: string;
  /** True for a test: one attempt, even if the endpoint is disabled or its breaker is open. */
  once?: boolean;
  /** True for a delivery that a replay call made. */
  replay?: boolean;
  /** `data` of an event that is not kept in the log, as JSON; gone once the delivery is final. */
  data?: string;
}

/** Days that deliveries and their attempts are kept. */
export const deliveryDays = 30;

/** Returns `dlv_`, the time of planning, and a hash of event, endpoint and replay. Planning the same delivery twice gives the same id. */
export function deliveryId(at: number, eventId: string, endpointId: string, replayId = ''): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([eventId, endpointId, replayId]))
    .digest();
  return newId('dlv', at, (n) => digest.subarray(0, n));
}

/** The state of a delivery after an attempt, or after an open breaker postponed it. */
export interface DeliveryOutcome {
  status: Delivery['status'];
  reason?: FailedReason;
  slot: number;
  nextAttemptAt?: number;
}

interface Moment {
  nowMs: number;
  /** A random number in [0, 1). */
  random: number;
  scheduleSec: readonly number[];
}

/** Returns the state after an attempt: delivered, failed for good, or pending. The next attempt is not before the time the endpoint asked for. */
export function outcomeOf(delivery: Delivery, verdict: Verdict, moment: Moment): DeliveryOutcome {
  const slot = delivery.slot + 1;
  switch (verdict.kind) {
    case 'delivered':
      return { status: 'delivered', slot };
    case 'gone':
      return { status: 'failed', reason: 'gone', slot };
    case 'slow_down':
    case 'failed': {
      const wait = delivery.once === true ? undefined : waitMs(moment.scheduleSec, slot, moment.random);
      if (wait === undefined) return { status: 'failed', reason: 'given_up', slot };
      const asked = verdict.kind === 'slow_down' ? (verdict.retryAfterMs ?? 0) : 0;
      return unlessStale(delivery, { status: 'pending', slot, nextAttemptAt: moment.nowMs + Math.max(wait, asked) });
    }
    default:
      return verdict satisfies never;
  }
}

/** If the breaker is open for longer, the delivery loses a slot of its schedule. Otherwise it would wait for a dead endpoint for ever. */
const shortWaitMs = 30_000;

/** Returns the delivery while the breaker is open: the same slot a little later, or the next slot. The last slot is never lost without an attempt. */
export function postpone(delivery: Delivery, untilMs: number, moment: Moment): DeliveryOutcome {
  const spread = Math.round(2_000 * moment.random);
  const next = waitMs(moment.scheduleSec, delivery.slot + 1, moment.random);
  if (untilMs - moment.nowMs <= shortWaitMs || next === undefined) {
    return unlessStale(delivery, { status: 'pending', slot: delivery.slot, nextAttemptAt: untilMs + spread });
  }
  const nextAttemptAt = Math.max(moment.nowMs + next, untilMs + spread);
  return unlessStale(delivery, { status: 'pending', slot: delivery.slot + 1, nextAttemptAt });
}

/** Linking codes are valid for minutes, so their deliveries must not be kept for days. */
const unloggedMs = 600_000;

/** Returns the outcome, or a failure where an event that is not in the log would be delivered too late to be of use. */
function unlessStale(delivery: Delivery, next: DeliveryOutcome): DeliveryOutcome {
  const stale = delivery.data !== undefined && (next.nextAttemptAt ?? 0) - delivery.eventAt > unloggedMs;
  return stale ? { status: 'failed', reason: 'given_up', slot: next.slot } : next;
}
