import { verdict } from '../verdict.ts';
import { dollarsOf, type Entry } from './ledger.ts';
import { monthHours, priceOfApi, priceOfCalls, priceOfHostMonth, priceOfInvocations, priceOfLogs } from './prices.ts';
import { countOf, type Usage } from './usage.ts';

/** Megabytes of a function, by name. */
export type MemoryOf = (name: string) => number;

const gbSecOf = (ms: number, memoryMb: number): number => (ms / 1000) * (memoryMb / 1024);

interface Line {
  who: string;
  what: string;
  count: number;
  writeUnits?: number;
  readUnits?: number;
  dollars: number;
}

/** Returns the cost of a usage, line by line, the dearest first. */
function linesOf(usage: Usage, memoryOf: MemoryOf): Line[] {
  const calls = usage.entries.map(
    (entry): Line => ({
      who: entry.who,
      what: `${entry.service} ${entry.command}`,
      count: entry.calls,
      writeUnits: entry.writeUnits,
      readUnits: entry.readUnits,
      dollars: priceOfCalls(entry.service, entry.command, entry),
    }),
  );
  const functions = usage.invocations.map(
    ({ name, count, ms }): Line => ({
      who: name,
      what: `lambda, ${(ms / Math.max(1, count)).toFixed(0)} ms each`,
      count,
      dollars: priceOfInvocations(count, gbSecOf(ms, memoryOf(name))),
    }),
  );
  const requests = usage.invocations.find(({ name }) => name === 'api')?.count ?? 0;
  return [
    ...calls,
    ...functions,
    ...queueSources(usage),
    { who: 'http api', what: 'requests', count: requests, dollars: priceOfApi(requests) },
    { who: 'logs', what: 'bytes taken in', count: usage.logBytes, dollars: priceOfLogs(usage.logBytes) },
  ].sort((a, b) => b.dollars - a.dollars);
}

/** Lambda takes a batch off a queue and deletes it: two requests to SQS for each invocation by a queue. */
function queueSources({ invocations }: Usage): Line[] {
  return invocations
    .filter(({ name }) => name === 'feed' || name === 'import')
    .map(({ name, count }) => ({
      who: 'lambda',
      what: `sqs receive and delete for ${name}`,
      count: 2 * count,
      dollars: priceOfCalls('sqs', '', { calls: 2 * count, writeUnits: 0, readUnits: 0 }),
    }));
}

/** Prints what a message cost; answers dollars a million. Lines below a cent a million are summed up. */
export function reportMessages(name: string, messages: number, usage: Usage, memoryOf: MemoryOf): number {
  const lines = linesOf(usage, memoryOf);
  const perMillion = (dollars: number): number => (dollars / messages) * 1e6;
  const each = (value: number | undefined): string => (value === undefined ? '' : (value / messages).toFixed(3));
  const shown = lines.filter(({ dollars }) => perMillion(dollars) >= 0.01);
  const total = lines.reduce((sum, { dollars }) => sum + dollars, 0);
  const rest = total - shown.reduce((sum, { dollars }) => sum + dollars, 0);
  const sum = (field: 'writeUnits' | 'readUnits'): number =>
    usage.entries.reduce((all, entry) => all + entry[field], 0);
  console.log(`\n${name}: ${messages} messages in ${usage.seconds.toFixed(0)} s, idle calls taken off; each message:`);
  console.table([
    ...shown.map(({ who, what, count, writeUnits, readUnits, dollars }) => ({
      who,
      what,
      count: each(count),
      'write units': each(writeUnits),
      'read units': each(readUnits),
      '$ a million': perMillion(dollars).toFixed(2),
    })),
    { who: 'others', '$ a million': perMillion(rest).toFixed(2) },
    {
      who: 'all',
      count: each(usage.entries.reduce((all, { calls }) => all + calls, 0)),
      'write units': each(sum('writeUnits')),
      'read units': each(sum('readUnits')),
      '$ a million': perMillion(total).toFixed(2),
    },
  ]);
  return perMillion(total);
}

export interface IdleFacts {
  accounts: number;
  hosts: number;
  /** Calls of all hosts, counted in the SDK, by `service Command`. */
  counted: Map<string, number>;
  hostCpu: number;
  hostMemoryMiB: number;
}

/** Lambda asks an empty queue with this many long polls of 20 s at a time (its documentation; not measured here). */
const pollsAtOnce = 5;
const pollSec = 20;
const queuesOfFunctions = 4;

/** Prints what an idle fleet costs; answers whether no host called AWS for an account. */
export function reportIdle(usage: Usage, facts: IdleFacts, memoryOf: MemoryOf): boolean {
  const { accounts, hosts, counted } = facts;
  const hours = usage.seconds / 3600;
  const ofHosts = usage.entries.filter(({ who }) => who === 'host');
  const dear = (entries: Entry[]): string => `$${((dollarsOf(entries) / hours) * monthHours).toFixed(2)}`;
  console.log(
    `\n${hosts} hosts and ${accounts} connected accounts, idle for ${(usage.seconds / 60).toFixed(1)} minutes`,
  );
  console.table(
    [...counted].sort().map(([call, count]) => ({
      "a host's call, counted in the SDK": call,
      count,
      'a host and minute': (count / hosts / (usage.seconds / 60)).toFixed(2),
      'at the emulators': ofHosts.find(({ service, command }) => call === `${service} ${command}`)?.calls ?? 0,
      'of them for an account':
        ofHosts.find(({ service, command }) => call === `${service} ${command}`)?.ofAccounts ?? 0,
    })),
  );
  const functions = usage.entries.filter(({ who }) => who !== 'host');
  const lambda = usage.invocations.reduce(
    (sum, { name, count, ms }) => sum + priceOfInvocations(count, gbSecOf(ms, memoryOf(name))),
    0,
  );
  const polls = (queuesOfFunctions * pollsAtOnce * monthHours * 3600) / pollSec;
  const pollDollars = priceOfCalls('sqs', '', { calls: polls, writeUnits: 0, readUnits: 0 });
  console.table([
    { 'idle, a month of 730 hours': `calls of ${hosts} hosts`, dollars: dear(ofHosts) },
    { 'idle, a month of 730 hours': 'calls of functions', dollars: dear(functions) },
    {
      'idle, a month of 730 hours': `${countOf(usage.invocations)} invocations counted`,
      dollars: `$${((lambda / hours) * monthHours).toFixed(2)}`,
    },
    {
      'idle, a month of 730 hours': `Lambda's polls of ${queuesOfFunctions} empty queues (not measured)`,
      dollars: `$${pollDollars.toFixed(2)}`,
    },
    {
      'idle, a month of 730 hours': `a host on Fargate, ${facts.hostCpu} CPU units, ${facts.hostMemoryMiB} MiB`,
      dollars: `$${priceOfHostMonth(facts.hostCpu, facts.hostMemoryMiB).toFixed(2)}`,
    },
  ]);
  const ofAccounts = ofHosts.reduce((sum, entry) => sum + entry.ofAccounts, 0);
  const perAccountHour = ofAccounts / accounts / hours;
  return verdict(`calls of hosts for an account while idle, an account-hour`, perAccountHour, 0);
}
