import type { Table } from '../../lib/aws/client/table.ts';
import type { DeliveryQueue } from '../../lib/aws/webhooks/delivery-queue.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { Egress } from '../../lib/runtime/egress/egress.ts';
import type { Count } from '../../lib/runtime/metrics.ts';

/**
 * The metrics of the function. Attempts are requests that were sent; a delivery ends delivered or given up. `InboundTaken` counts inbound
 * messages in deliveries that are handled for the first time, `InboundDelivered` those that arrived. Replays do not count.
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

/** Everything that delivering needs from outside. */
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
  /** Logs a failure. Pass ids and errors only. */
  failed(what: string, fields: { endpointId?: string; deliveryId?: string; error: unknown }): void;
}
