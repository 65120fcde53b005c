import type { Table } from '../../lib/aws/client/table.ts';
import type { DeliveryQueue } from '../../lib/aws/webhooks/delivery-queue.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { Egress } from '../../lib/runtime/egress/egress.ts';
import type { Count } from '../../lib/runtime/metrics.ts';

/**
 * What the function counts. Attempts are requests that were sent; a delivery ends delivered or given up. `InboundTaken` and `InboundDelivered`:
 * inbound messages in deliveries that were taken in hand for the first time, and that arrived; replays do not count.
 */
export type WebhookCount =
  | 'DeliveryAttempts'
  | 'DeliveriesDelivered'
  | 'DeliveriesGivenUp'
  | 'DeliveriesPostponed'
  | 'DeliveriesRepeated'
  | 'EndpointsDisabled'
  | 'EventsReplayed'
  | 'InboundTaken'
  | 'InboundDelivered';

/** What delivering needs of the outside world. */
export interface WebhookDeps {
  table: Table;
  deliveries: DeliveryQueue;
  egress: Pick<Egress, 'request'>;
  clock: Clock;
  /** In [0, 1). */
  random(): number;
  scheduleSec: readonly number[];
  timeoutMs: number;
  /** `Paceline/<version>`. */
  userAgent: string;
  count: Count<WebhookCount>;
  /** Ids and errors only. */
  failed(what: string, fields: { endpointId?: string; deliveryId?: string; error: unknown }): void;
}
