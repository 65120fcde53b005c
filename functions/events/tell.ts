import { completeEvents } from '../../lib/aws/event-data.ts';
import { putEvents } from '../../lib/aws/events.ts';
import type { Table } from '../../lib/aws/table.ts';
import type { EventDraft, PacelineEvent } from '../../lib/domain/events.ts';
import type { Count } from '../../lib/runtime/metrics.ts';

/** `EventsTold`: events stored and passed on, replays included. `InboundEvented`: inbound messages in them. */
export type TellCount = 'EventsTold' | 'InboundEvented';

export interface Telling {
  table: Table;
  nowMs(): number;
  /** Plans the deliveries of events that are in the log; the same events may come again. */
  deliver(events: PacelineEvent[]): Promise<void>;
  /** Progress that this process has told already. */
  told: ToldProgress;
}

/** Drafts become events: completed, stored, passed on, in this order, so that what is delivered can be read in the log. */
export async function tell(deps: Telling, drafts: EventDraft[], count: Count<TellCount>): Promise<void> {
  const fresh = withoutRepeats(drafts).filter(({ id }) => !deps.told.has(id));
  if (fresh.length === 0) return;
  const events = await completeEvents(deps.table, fresh, deps.nowMs());
  await putEvents(deps.table, events);
  await deps.deliver(events);
  for (const { id, about } of fresh) if (isProgress(about)) deps.told.add(id);
  count('EventsTold', events.length);
  count(
    'InboundEvented',
    events.reduce((sum, event) => sum + inboundIn(event), 0),
  );
}

/** The messages of a contract that end within the same ten seconds all draft the same progress. */
function withoutRepeats(drafts: EventDraft[]): EventDraft[] {
  return [...new Map(drafts.map((draft) => [draft.id, draft])).values()];
}

/** Only progress is drafted by many records. */
const isProgress = (about: EventDraft['about']): boolean => about.kind === 'contract' && about.contract === undefined;

function inboundIn({ type, data }: PacelineEvent): number {
  return type === 'message.received' ? (data as { messages: unknown[] }).messages.length : 0;
}

/** The last ids of progress told by this process, so that one message in a thousand pays for it. */
export class ToldProgress {
  readonly #ids = new Set<string>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.#most && oldest !== undefined) this.#ids.delete(oldest);
  }
}
