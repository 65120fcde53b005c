import type { Accounts } from './accounts.ts';
import type { Connections } from './connection/connections.ts';
import type { Faults } from './faults.ts';
import type { Outbox } from './outbox.ts';
import type { Directory } from './phones/directory.ts';
import type { ReceivedMessages } from './phones/received-messages.ts';
import type { Storage } from './storage.ts';
import type { Counts } from './totals.ts';
import type { ServerIdentity } from './wire/certificates.ts';
import type { WireLog } from './wire-log.ts';

/** The simulator's logger. Message texts, keys and full numbers must not be logged. */
export type SimulatorLogger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

/** All parts of one simulator. */
export type World = {
  readonly storage: Storage;
  readonly server: ServerIdentity;
  readonly directory: Directory;
  readonly accounts: Accounts;
  readonly received: ReceivedMessages;
  readonly counts: Counts;
  readonly wire: WireLog;
  readonly outbox: Outbox;
  readonly faults: Faults;
  readonly connections: Connections;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly logger: SimulatorLogger;
};

/** A time as stanzas carry it: seconds since 1970. */
export const stanzaTime = (ms: number): string => String(Math.floor(ms / 1000));
