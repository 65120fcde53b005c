import type { Invocations } from '../cost/invocations.ts';
import type { Entry } from '../cost/ledger.ts';
import { without } from '../cost/ledger.ts';
import { priceOfCalls, priceOfInvocations, priceOfLogs } from '../cost/prices.ts';

/** Counts of all that is billed by use, since the beginning or over a stretch of time. */
export interface Usage {
  entries: Entry[];
  invocations: Invocations[];
  /** Of the logs of both functions. */
  logBytes: number;
  /** That left towards the receiver. */
  sentBytes: number;
}

/** A GB to the internet, US dollars: list price of us-east-1, first 10 TB a month. */
const transferGb = 0.09;
const functions = ['events', 'webhook'];
/** Nothing but these two and the sweep runs meanwhile: a caller that could not be woken is one of them. */
const callers = [...functions, 'unknown'];

/** Returns the cost between two moments, of the two functions alone. */
export function between(before: Usage, after: Usage): Usage {
  return {
    entries: without(after.entries, before.entries).filter(({ who }) => callers.includes(who)),
    invocations: after.invocations
      .filter(({ name }) => functions.includes(name))
      .map(({ name, count, ms }) => {
        const was = before.invocations.find((one) => one.name === name);
        return { name, count: count - (was?.count ?? 0), ms: ms - (was?.ms ?? 0) };
      }),
    logBytes: after.logBytes - before.logBytes,
    sentBytes: after.sentBytes - before.sentBytes,
  };
}

/** Prints what an event cost that went to one endpoint, the dearest first; answers dollars a million. `memoryOf`: megabytes of a function. */
export function reportCost(name: string, events: number, usage: Usage, memoryOf: (name: string) => number): number {
  const batches = usage.invocations.find((one) => one.name === 'webhook')?.count ?? 0;
  const lines = [
    ...usage.entries.map(({ who, service, command, calls, writeUnits, readUnits }) => ({
      who,
      what: `${service} ${command}`,
      count: calls,
      writeUnits,
      readUnits,
      dollars: priceOfCalls(service, command, { calls, writeUnits, readUnits }),
    })),
    ...usage.invocations.map(({ name: who, count, ms }) => ({
      who,
      what: `lambda, ${(ms / Math.max(1, count)).toFixed(0)} ms each`,
      count,
      writeUnits: 0,
      readUnits: 0,
      dollars: priceOfInvocations(count, (ms / 1000) * (memoryOf(who) / 1024)),
    })),
    ...usage.invocations
      .filter(({ name: who }) => who === 'webhook')
      .map(({ count }) => line('lambda', 'sqs receive and delete', 2 * count, priceOfQueue(2 * count))),
    line('logs', 'bytes taken in', usage.logBytes, priceOfLogs(usage.logBytes)),
    line('transfer', 'bytes to the receiver, without TLS', usage.sentBytes, (usage.sentBytes / 2 ** 30) * transferGb),
  ].sort((a, b) => b.dollars - a.dollars);
  const perMillion = (dollars: number): number => (dollars / events) * 1e6;
  const each = (value: number): string => (value === 0 ? '' : (value / events).toFixed(3));
  const sum = (field: 'writeUnits' | 'readUnits' | 'dollars'): number =>
    lines.reduce((all, one) => all + one[field], 0);
  console.log(
    `\n${name}: ${events} events to one endpoint, ${(events / batches).toFixed(1)} deliveries an invocation ` +
      '(the emulator gives one of a group at a time, AWS up to ten: invocations and SQS requests fall accordingly); each event:',
  );
  console.table([
    ...lines
      .filter(({ dollars }) => perMillion(dollars) >= 0.01)
      .map(({ who, what, count, writeUnits, readUnits, dollars }) => ({
        who,
        what,
        count: each(count),
        'write units': each(writeUnits),
        'read units': each(readUnits),
        '$ a million': perMillion(dollars).toFixed(2),
      })),
    {
      who: 'all',
      'write units': each(sum('writeUnits')),
      'read units': each(sum('readUnits')),
      '$ a million': perMillion(sum('dollars')).toFixed(2),
    },
  ]);
  return perMillion(sum('dollars'));
}

const priceOfQueue = (calls: number): number => priceOfCalls('sqs', '', { calls, writeUnits: 0, readUnits: 0 });
const line = (who: string, what: string, count: number, dollars: number) => ({
  who,
  what,
  count,
  writeUnits: 0,
  readUnits: 0,
  dollars,
});
