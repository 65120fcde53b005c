import type { Deps } from '../../lib/aws/deps.ts';
import { sweepDeliveries } from './deliveries.ts';
import { sweepHosts, sweepUnowned, sweepWakeQueues } from './hosts.ts';
import { closeInboundBatches } from './inbound-batches.ts';
import { sweepRunning } from './running.ts';
import { type Failed, nothingSwept, type Swept } from './swept.ts';
import { Unchanged } from './unchanged.ts';
import { sweepDeleted, sweepImports, sweepJobs, sweepStarts } from './unfinished.ts';

/** State that one sweep keeps for the next. */
export interface Memory {
  unowned: Unchanged;
  running: Unchanged;
}

export const emptyMemory = (): Memory => ({ unowned: new Unchanged(), running: new Unchanged() });

/** Repairs, every minute, the work that a crash or a lost message left undone. A part that fails does not stop the others. */
export async function sweep(deps: Deps, report: Failed, memory: Memory = emptyMemory()): Promise<Swept> {
  const swept = nothingSwept();
  const failed: Failed = (part, error) => {
    swept.failures += 1;
    report(part, error);
  };
  const parts: [string, () => Promise<void>][] = [
    ['hosts', () => sweepHosts(deps, swept)],
    ['wake queues', () => sweepWakeQueues(deps, swept)],
    ['unowned', () => sweepUnowned(deps, swept, memory.unowned)],
    ['imports', () => sweepImports(deps, swept, failed)],
    ['starts', () => sweepStarts(deps, swept, failed)],
    ['jobs', () => sweepJobs(deps, swept)],
    ['deleted', () => sweepDeleted(deps, swept)],
    ['deliveries', () => sweepDeliveries(deps, swept)],
    ['inbound batches', () => closeInboundBatches(deps, swept)],
    ['running', () => sweepRunning(deps, swept, failed, memory.running)],
  ];
  for (const [part, run] of parts) {
    try {
      await run();
    } catch (error) {
      failed(part, error);
    }
  }
  return swept;
}
