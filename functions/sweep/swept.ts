import type { Fleet } from './fleet.ts';

/** The counts of one sweep. Each is a metric with the name of its field. */
export interface Swept {
  /** Hosts found dead. */
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
  /** Accounts that no host would have found without the sweep. */
  accountsFound: number;
  importsExpired: number;
  /** Webhook deliveries that are due after a wait of more than 15 minutes, and were sent to the queue. */
  deliveriesSent: number;
  outcomesUnknown: number;
  /** Batches of inbound messages that an owner left open when it died. */
  batchesClosed: number;
  /** Accounts without an owner in this sweep; most of them only for a moment. */
  accountsUnowned: number;
  /** Accounts that want a host and that no host has taken for a minute or more. */
  accountsWithoutOwner: number;
  /** Running contracts that do not move although their account could send, and jobs that do not end. */
  contractsStuck: number;
  /** Parts of the sweep that failed; the next minute tries again. */
  failures: number;
  /** Undefined when the hosts could not be read. */
  fleet?: Fleet;
}

/** Reports a part of the sweep that failed; the other parts still run. */
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
