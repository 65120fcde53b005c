import type { EventType } from '../event-types.ts';
import { isoOf, toIso } from '../times.ts';
import type { AttemptError } from './answer.ts';
import type { Delivery, FailedReason } from './delivery.ts';

/** A delivery as the HTTP API shows it. */
export interface DeliveryView {
  id: string;
  eventId: string;
  type: EventType;
  status: Delivery['status'];
  reason: FailedReason | null;
  replay: boolean;
  attempts: {
    at: string;
    status: number | null;
    durationMs: number;
    response: string | null;
    error: AttemptError | null;
  }[];
  nextAttemptAt: string | null;
  createdAt: string;
}

/** Returns a delivery as GET shows it. Pure. */
export function deliveryView(delivery: Delivery): DeliveryView {
  const { id, eventId, eventType, status, reason, replay, attempts, nextAttemptAt, at } = delivery;
  return {
    id,
    eventId,
    type: eventType,
    status,
    reason: reason ?? null,
    replay: replay === true,
    attempts: attempts.map((attempt) => ({ ...attempt, at: isoOf(attempt.at), error: attempt.error ?? null })),
    nextAttemptAt: toIso(nextAttemptAt),
    createdAt: isoOf(at),
  };
}
