import type { Table } from '../../lib/aws/client/table.ts';
import { completeEvents } from '../../lib/aws/events/event-data.ts';
import { putEvents } from '../../lib/aws/events/events.ts';
import type { EventDraft, PacelineEvent } from '../../lib/domain/events/events.ts';
import { inboundIn } from '../../lib/domain/inbound/inbound.ts';
import type { Delivery } from '../../lib/domain/webhooks/delivery.ts';
import { type BoundedCache, boundedCache } from '../../lib/runtime/bounded-cache.ts';
import type { Count } from '../../lib/runtime/metrics.ts';

/**
 * The metrics of publishing. Dashboards use these names, so they stay. `EventsTold` counts events that are stored and have their deliveries, repeats
 * included. `InboundEvented` counts the inbound messages in these events. `InboundPlanned` counts them once for each delivery that is not tried yet.
 */
export type PublishCount = 'EventsTold' | 'InboundEvented' | 'InboundPlanned';

export type Planned = Pick<Delivery, 'eventId' | 'status' | 'slot'>;

export interface Publishing {
  table: Table;
  nowMs(): number;
  /** Plans and returns the deliveries of events that are in the log. The same events may be passed again. */
  deliver(events: PacelineEvent[]): Promise<readonly Planned[]>;
  /** The `contract.progress` events that this process has published already. */
  progress: PublishedProgress;
}

/** Completes drafts, stores them as events and plans their deliveries, in this order: every event that is delivered can be read in the log. */
export async function publish(deps: Publishing, drafts: EventDraft[], count: Count<PublishCount>): Promise<void> {
  const fresh = withoutRepeats(drafts).filter(({ id }) => !deps.progress.has(id));
  if (fresh.length === 0) return;
  const events = await completeEvents(deps.table, fresh, deps.nowMs());
  await putEvents(deps.table, events);
  const planned = await deps.deliver(events);
  for (const { id, about } of fresh) if (isProgress(about)) deps.progress.add(id);
  count('EventsTold', events.length);
  const inbound = new Map(events.map((event) => [event.id, inboundIn(event)]));
  count('InboundEvented', sumOf([...inbound.values()]));
  const untried = planned.filter(({ status, slot }) => status === 'pending' && slot === 0);
  count('InboundPlanned', sumOf(untried.map(({ eventId }) => inbound.get(eventId) ?? 0)));
}

const sumOf = (numbers: number[]): number => numbers.reduce((sum, one) => sum + one, 0);

/** Returns each draft once. Messages of a contract that end within the same half minute all draft the same `contract.progress` event. */
function withoutRepeats(drafts: EventDraft[]): EventDraft[] {
  return [...new Map(drafts.map((draft) => [draft.id, draft])).values()];
}

/** Returns true for `contract.progress`, the only event that several records draft. */
const isProgress = (about: EventDraft['about']): boolean => about.kind === 'contract' && about.contract === undefined;

/** The ids of the `contract.progress` events that this process published last. Because of them most messages of a contract cost no read. */
export class PublishedProgress {
  readonly #ids: BoundedCache<true>;

  constructor(most = 10_000) {
    this.#ids = boundedCache<true>(most);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.set(id, true);
  }
}
