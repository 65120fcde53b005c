import type { Deps } from '../../lib/aws/deps.ts';
import { sweepHosts, sweepInboxes } from './hosts.ts';
import { sweepRunning } from './running.ts';
import { sweepDeleted, sweepJobs, sweepStarts } from './unfinished.ts';

export interface Swept {
  hostsRemoved: number;
  accountsOrphaned: number;
  inboxesRemoved: number;
  contractsStarted: number;
  jobsAsked: number;
  removalsAsked: number;
  accountsFed: number;
  accountsRefed: number;
  accountsWoken: number;
  outcomesUnknown: number;
}

export type Failed = (part: string, error: unknown) => void;

/** Every minute: what fell between two chairs is put back on one. Each part stands alone, so that one failing does not stop the others. */
export async function sweep(deps: Deps, failed: Failed): Promise<Swept> {
  const swept: Swept = {
    hostsRemoved: 0,
    accountsOrphaned: 0,
    inboxesRemoved: 0,
    contractsStarted: 0,
    jobsAsked: 0,
    removalsAsked: 0,
    accountsFed: 0,
    accountsRefed: 0,
    accountsWoken: 0,
    outcomesUnknown: 0,
  };
  const parts: [string, () => Promise<void>][] = [
    ['hosts', () => sweepHosts(deps, swept)],
    ['inboxes', () => sweepInboxes(deps, swept)],
    ['starts', () => sweepStarts(deps, swept, failed)],
    ['jobs', () => sweepJobs(deps, swept)],
    ['deleted', () => sweepDeleted(deps, swept)],
    ['running', () => sweepRunning(deps, swept, failed)],
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
