import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Invocations } from './invocations.ts';
import { type Entry, without } from './ledger.ts';

/** All that is billed by use, counted since the beginning or over a stretch of time. */
export interface Usage {
  seconds: number;
  entries: Entry[];
  invocations: Invocations[];
  /** Written by functions and hosts to their logs. */
  logBytes: number;
}

/** Returns the usage between two moments. */
export function between(before: Usage, after: Usage): Usage {
  return {
    seconds: after.seconds - before.seconds,
    entries: without(after.entries, before.entries),
    invocations: after.invocations.map((one) => lessBy(one, before.invocations, 1)).filter(({ count }) => count > 0),
    logBytes: after.logBytes - before.logBytes,
  };
}

/** Without what an idle fleet would have used in the same time. */
export function aboveIdle(usage: Usage, idle: Usage): Usage {
  const factor = usage.seconds / idle.seconds;
  return {
    seconds: usage.seconds,
    entries: without(usage.entries, idle.entries, factor),
    invocations: usage.invocations
      .map((one) => lessBy(one, idle.invocations, factor))
      .filter(({ count }) => count > 0.5),
    logBytes: Math.max(0, usage.logBytes - idle.logBytes * factor),
  };
}

function lessBy(one: Invocations, others: Invocations[], factor: number): Invocations {
  const other = others.find(({ name }) => name === one.name);
  const less = (value: number, by: number | undefined): number => Math.max(0, value - (by ?? 0) * factor);
  return { name: one.name, count: less(one.count, other?.count), ms: less(one.ms, other?.ms) };
}

export const countOf = (invocations: Invocations[]): number => invocations.reduce((sum, { count }) => sum + count, 0);

/** Bytes in the logs of the functions of these names and of the benchmark's hosts; Lambda adds none of its own (lib/infra/function.ts). */
export function logBytesIn(dataDir: string, functions: string[]): number {
  const hosts = readdirSync(join(dataDir, 'bench-hosts')).map((name) => join('bench-hosts', name, 'host.log'));
  const files = [...functions.map((name) => join('logs', `${name}.log`)), ...hosts];
  const sizes = files.map((file) => statSync(join(dataDir, file), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}
