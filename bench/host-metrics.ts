import { setTimeout as sleep } from 'node:timers/promises';

/** The numbers at the /metrics of a socket host: CPU of the whole process, and requests to AWS as `service Command`. */
export interface HostUse {
  cpuMs: number;
  calls: Map<string, number>;
}

export async function readHost(metricsUrl: string): Promise<HostUse> {
  const text = await metricsOf(metricsUrl);
  const cpuSec = /^process_cpu_seconds_total (\S+)/m.exec(text)?.[1];
  if (cpuSec === undefined) throw new Error('The host says nothing of its CPU time.');
  const calls = new Map<string, number>();
  for (const [, labels = '', count] of text.matchAll(/^paceline_aws_calls_total\{(.*)\} (\d+)$/gm)) {
    const label = Object.fromEntries([...labels.matchAll(/(\w+)="(\w*)"/g)].map(([, name, value]) => [name, value]));
    calls.set(`${label.service} ${label.command}`, Number(count));
  }
  return { cpuMs: Number(cpuSec) * 1000, calls };
}

/** A busy host may close an idle connection just as it is used again: asked once more then. */
async function metricsOf(metricsUrl: string): Promise<string> {
  const ask = async (): Promise<string> => (await fetch(metricsUrl)).text();
  return await ask().catch(ask);
}

/** Returns the number of a host's metrics that the expression finds; 0 when there is none. */
export async function readMetric(metricsUrl: string, expression: RegExp): Promise<number> {
  return Number(expression.exec(await metricsOf(metricsUrl))?.[1] ?? 0);
}

export function difference(before: HostUse, after: HostUse): HostUse {
  const calls = [...after.calls].map(([name, count]) => [name, count - (before.calls.get(name) ?? 0)] as const);
  return { cpuMs: after.cpuMs - before.cpuMs, calls: new Map(calls.filter(([, count]) => count > 0)) };
}

const lookEveryMs = 500;
const looksInARow = 3;

/**
 * Waits, at most 60 s, until a process has taken less than `share` of a core for 1.5 s: what its work left behind is done as well.
 * Heartbeat, long polls and the looking itself take up to 5 %.
 */
export async function whenIdle(readCpuMs: () => Promise<number>, share = 0.05): Promise<void> {
  let quiet = 0;
  let last = await readCpuMs();
  for (const startMs = performance.now(); quiet < looksInARow; ) {
    if (performance.now() - startMs > 60_000) throw new Error('The process does not come to rest within 60 s.');
    await sleep(lookEveryMs);
    const now = await readCpuMs();
    quiet = now - last < lookEveryMs * share ? quiet + 1 : 0;
    last = now;
  }
}
