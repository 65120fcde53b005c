import type { Deps } from '../../lib/aws/deps.ts';
import { sweepDeliveries } from './deliveries.ts';
import type { Fleet } from './fleet.ts';
import { sweepHosts, sweepInboxes, sweepUnowned } from './hosts.ts';
import { sweepInbox } from './inbox.ts';
import { sweepRunning } from './running.ts';
import { Unchanged } from './unchanged.ts';
import { sweepDeleted, sweepImports, sweepJobs, sweepStarts } from './unfinished.ts';

/** What a sweep did and found. Each number is a metric of its own name. */
export interface Swept {
  /** Found dead: they had not said that they end. */
  hostsLost: number;
  hostsRemoved: number;
  accountsOrphaned: number;
  inboxesRemoved: number;
  contractsStarted: number;
  jobsAsked: number;
  removalsAsked: number;
  accountsFed: number;
  accountsRefed: number;
  /** Halted, and asked to put what is in their lanes back. */
  accountsRecalled: number;
  accountsWoken: number;
  /** No host would have found them. */
  accountsFound: number;
  importsExpired: number;
  /** Webhook deliveries whose time has come after a wait of more than 15 minutes. */
  deliveriesSent: number;
  outcomesUnknown: number;
  /** Of inbound messages: left open by an owner that is gone. */
  batchesClosed: number;
  /** Without an owner right now; most of them for a moment. */
  accountsUnowned: number;
  /** Wanted by nobody for a minute or more, although they want a host. */
  accountsWithoutOwner: number;
  /** Running, on accounts that could send, and nothing moves; and jobs that do not end. */
  contractsStuck: number;
  /** Parts of the sweep that failed; the next minute tries again. */
  failures: number;
  /** Unknown when the hosts could not be read. */
  fleet?: Fleet;
}

/** What one sweep remembers for the next. */
export interface Memory {
  unowned: Unchanged;
  running: Unchanged;
}

export const emptyMemory = (): Memory => ({ unowned: new Unchanged(), running: new Unchanged() });

export type Failed = (part: string, error: unknown) => void;

/** Every minute: what fell between two chairs is put back on one. Each part stands alone, so that one failing does not stop the others. */
export async function sweep(deps: Deps, tell: Failed, memory: Memory = emptyMemory()): Promise<Swept> {
  const swept: Swept = {
    hostsLost: 0,
    hostsRemoved: 0,
    accountsOrphaned: 0,
    inboxesRemoved: 0,
    contractsStarted: 0,
    jobsAsked: 0,
    removalsAsked: 0,
    accountsFed: 0,
    accountsRefed: 0,
    accountsRecalled: 0,
    accountsWoken: 0,
    accountsFound: 0,
    importsExpired: 0,
    deliveriesSent: 0,
    outcomesUnknown: 0,
    batchesClosed: 0,
    accountsUnowned: 0,
    accountsWithoutOwner: 0,
    contractsStuck: 0,
    failures: 0,
  };
  const failed: Failed = (part, error) => {
    swept.failures += 1;
    tell(part, error);
  };
  const parts: [string, () => Promise<void>][] = [
    ['hosts', () => sweepHosts(deps, swept)],
    ['inboxes', () => sweepInboxes(deps, swept)],
    ['unowned', () => sweepUnowned(deps, swept, memory.unowned)],
    ['imports', () => sweepImports(deps, swept, failed)],
    ['starts', () => sweepStarts(deps, swept, failed)],
    ['jobs', () => sweepJobs(deps, swept)],
    ['deleted', () => sweepDeleted(deps, swept)],
    ['deliveries', () => sweepDeliveries(deps, swept)],
    ['inbox', () => sweepInbox(deps, swept)],
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
