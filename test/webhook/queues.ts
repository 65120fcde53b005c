import type { SQSEvent } from 'aws-lambda';
import type { DeliveryMessage, DeliveryQueue, ReplayMessage } from '../../lib/aws/webhooks/delivery-queue.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

type Serve = (event: SQSEvent) => Promise<{ batchItemFailures: { itemIdentifier: string }[] }>;

interface Queued {
  body: DeliveryMessage | ReplayMessage;
  group: string;
  id: string;
}

const dedupMs = 300_000;
const batchSize = 10;
/** What a failed message waits for. */
const visibilityMs = 90_000;

/**
 * The two delivery queues and the function behind them, as SQS FIFO and Lambda do it: a group is worked on by one batch at a time, batches
 * mix groups, so many invocations at once, messages of one key within five minutes are swallowed.
 */
export function playedQueues(clock: Clock, invocations: number) {
  const due: Queued[] = [];
  const held: { message: DeliveryMessage; at: number }[] = [];
  const locked = new Map<string, number>();
  const seen = new Map<string, number>();
  const inFlight = new Map<string, Queued>();
  let running = 0;
  let crash: unknown;
  let count = 0;
  let serve: Serve | undefined;
  const batches: Promise<void>[] = [];

  const groupOf = (body: DeliveryMessage | ReplayMessage): string =>
    'replay' in body ? `${body.w}#replay` : `${body.w}#${body.group}`;

  function unlock(handle: string): void {
    const queued = inFlight.get(handle);
    if (queued === undefined) return;
    inFlight.delete(handle);
    const left = (locked.get(queued.group) ?? 1) - 1;
    if (left === 0) locked.delete(queued.group);
    else locked.set(queued.group, left);
  }

  function take(): Queued[] {
    const taken: Queued[] = [];
    const before = new Set(locked.keys());
    for (const queued of [...due]) {
      if (taken.length === batchSize) break;
      if (before.has(queued.group)) continue;
      due.splice(due.indexOf(queued), 1);
      locked.set(queued.group, (locked.get(queued.group) ?? 0) + 1);
      taken.push(queued);
    }
    return taken;
  }

  function pump(): void {
    while (serve !== undefined && running < invocations) {
      const taken = take();
      if (taken.length === 0) return;
      running += 1;
      batches.push(invoke(serve, taken));
    }
  }

  async function invoke(run: Serve, taken: Queued[]): Promise<void> {
    for (const queued of taken) inFlight.set(queued.id, queued);
    const records = taken.map((queued) => ({
      messageId: queued.id,
      receiptHandle: queued.id,
      body: JSON.stringify(queued.body),
      attributes: { MessageGroupId: queued.group },
    }));
    const answer = await run({ Records: records } as unknown as SQSEvent).catch((error: unknown) => {
      crash = error;
      return { batchItemFailures: [] };
    });
    running -= 1;
    for (const { itemIdentifier } of answer.batchItemFailures) {
      const queued = inFlight.get(itemIdentifier);
      if (queued === undefined) continue;
      await clock.sleep(visibilityMs);
      due.unshift(queued);
    }
    for (const queued of taken) unlock(queued.id);
    pump();
  }

  const queue: DeliveryQueue = {
    async send(messages) {
      for (const { message, key } of messages) {
        const last = seen.get(key);
        if (last !== undefined && clock.nowMs() - last < dedupMs) continue;
        seen.set(key, clock.nowMs());
        count += 1;
        due.push({ body: message, group: groupOf(message), id: `m${count}` });
      }
      pump();
    },
    async later(message, delayMs) {
      held.push({ message, at: clock.nowMs() + Math.max(0, Math.ceil(delayMs / 1000) * 1000) });
    },
    async release(handles) {
      for (const handle of handles) unlock(handle);
      pump();
    },
  };

  return {
    queue,
    start(run: Serve) {
      serve = run;
      pump();
    },
    /** Nothing due and nothing in work. */
    isQuiet() {
      if (crash !== undefined) throw crash;
      return running === 0 && due.length === 0;
    },
    running: () => running,
    nextHeldAt: () => (held.length === 0 ? undefined : Math.min(...held.map(({ at }) => at))),
    /** Gives what has been held back for long enough to the function. */
    async forwardHeld() {
      const ready = held.filter(({ at }) => at <= clock.nowMs());
      for (const one of ready) held.splice(held.indexOf(one), 1);
      if (ready.length === 0 || serve === undefined) return;
      const records = ready.map(({ message }, index) => ({
        messageId: `h${index}`,
        receiptHandle: `h${index}`,
        body: JSON.stringify(message),
        attributes: {},
      }));
      await serve({ Records: records } as unknown as SQSEvent);
    },
    async idle() {
      while (batches.length > 0) await Promise.all(batches.splice(0));
    },
  };
}
