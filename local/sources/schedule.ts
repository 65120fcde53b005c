import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Invocable } from '../functions/function.ts';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../process/environment.ts';
import type { Schedule } from '../template/triggers.ts';

/** The first run starts soon, so that the leftovers of a crash do not wait for a whole period. */
const FIRST_AFTER_MS = 3000;

/** Invokes a function at a fixed rate until the signal; a run that takes longer than the period delays the next. */
export async function runSchedule(
  schedule: Schedule,
  target: Invocable,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined);
  await wait(Math.min(FIRST_AFTER_MS, schedule.everyMs));
  while (!signal.aborted) {
    const startedAt = performance.now();
    await target.available(signal);
    if (signal.aborted) return;
    const outcome = await target.invoke(scheduledEvent(schedule, new Date()));
    if (outcome.kind !== 'ok') log(`${target.name}: the schedule ${schedule.name} ended ${outcome.kind}`);
    await wait(Math.max(0, schedule.everyMs - (performance.now() - startedAt)));
  }
}

/** Returns the event that EventBridge sends: the constant input of the target, or the usual scheduled event. */
export function scheduledEvent(schedule: Schedule, now: Date): unknown {
  if (schedule.input !== undefined) return JSON.parse(schedule.input);
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: schedule.source,
    account: LOCAL_ACCOUNT,
    time: now.toISOString().replace(/\.\d{3}Z$/, 'Z'),
    region: LOCAL_REGION,
    resources: [`arn:aws:events:${LOCAL_REGION}:${LOCAL_ACCOUNT}:rule/${schedule.name}`],
    detail: {},
  };
}
