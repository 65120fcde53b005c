import type { Fleet } from './fleet.ts';

/** The counts of one sweep. Each number is a metric of its own name. */
export interface Swept {
  /** Hosts found dead: they ended without a word. */
  hostsLost: number;
  hostsRemoved: number;
  accountsOrphaned: number;
  /** Wake queues of hosts that are gone. The name is a metric, so it stays. */
  inboxesRemoved: number;
  contractsStarted: number;
  jobsAsked: number;
  removalsAsked: number;
  accountsFed: number;
  accountsRefed: number;
  /** Halted accounts whose feed was asked to take their messages out of the lanes. */
  accountsRecalled: number;
  accountsWoken: number;
  /** Accounts that no host would have found. */
  accountsFound: number;
  importsExpired: number;
  /** Webhook deliveries that are due after a wait of more than 15 minutes. */
  deliveriesSent: number;
  outcomesUnknown: number;
  /** Batches of inbound messages that an owner left open when it died. */
  batchesClosed: number;
  /** Accounts without an owner right now; most of them for a moment. */
  accountsUnowned: number;
  /** Accounts that want a host and that no host has taken for a minute or more. */
  accountsWithoutOwner: number;
  /** Running contracts whose accounts could send although nothing moves, and jobs that do not end. */
  contractsStuck: number;
  /** Parts of the sweep that failed; the next minute tries again. */
  failures: number;
  /** Undefined when the hosts could not be read. */
  fleet?: Fleet;
}

/** Reports a part of the sweep that failed; the other parts go on. */
export type Failed = (part: string, error: unknown) => void;

export const nothingSwept = (): Swept => ({
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
});
