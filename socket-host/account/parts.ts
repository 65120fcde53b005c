import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import type { Halt } from '../../lib/domain/accounts/halt.ts';
import { InHand } from '../../lib/sending/in-hand.ts';
import { Sender } from '../../lib/sending/sender.ts';
import type { ConnectionChecks } from '../connection/check.ts';
import type { ConnectionMachine } from '../connection/connection.ts';
import { ConnectionEvents } from '../connection/events.ts';
import { ConnectionHistory } from '../connection/history.ts';
import type { HostDeps } from '../deps.ts';
import { Inbound } from '../inbound/inbound.ts';
import { FirstContacts } from '../loop/first-contacts.ts';
import { SendLoop } from '../loop/send-loop.ts';
import type { FenceCause } from '../metrics.ts';
import type { SessionEnd, Transport, TransportFactory } from '../transport.ts';
import { LinkSeries } from './link-series.ts';
import { AccountRecord } from './record.ts';
import { AccountTasks } from './tasks.ts';

/** The functions of its host that an account needs, besides HostDeps. */
export interface AccountHost {
  transports: Pick<TransportFactory, 'create'>;
  /** Learns the current client version. Rejects when it cannot be read. */
  renewClient(): Promise<void>;
  /** Resolves when this host may open one more connection (`connectsPerSec`), or when `signal` fires. */
  connectSlot(signal: AbortSignal): Promise<void>;
  /** The checks of all connections of the host. */
  checks: Pick<ConnectionChecks, 'add' | 'delete'>;
  /** Called once, when this host no longer holds the account. Without `released`, the table may still name this host as its owner. */
  gone(runner: { hold: Hold }, released: boolean): void;
}

/** Calls from the parts of an account to its state machine, `AccountRunner`. */
export interface Machine extends ConnectionMachine {
  /** Returns true if the account was given up or lost. Nothing is handled then. */
  isGone(): boolean;
  /** Returns true while this host may act for the account. Call it before every effect. */
  mayAct(): boolean;
  /**
   * Call this when a write has shown that another host owns the account, or when the lease is over. `by` is `epoch` by default; the metric counts
   * `lease_lost` instead if the lease is over.
   */
  fence(why: string, by?: FenceCause): void;

  // Call the methods below only within a task, through `handle` or `tasks`.

  /** Handles an error of a task. For damaged keys the account stops; without room for its state it is given up; otherwise it connects again. */
  recover(error: unknown): Promise<void>;
  /** The connection is logged in. */
  opened(phoneNumber: string): Promise<void>;
  /** The connection has ended. */
  closed(end: SessionEnd): Promise<void>;
  /** Stops the account: writes the reason and gives the account up. For a restriction, waits for its end instead. */
  halt(halt: Halt): Promise<void>;
}

/** The parts of an account, besides its state machine. */
export interface AccountParts {
  tasks: AccountTasks;
  record: AccountRecord;
  transport: Transport;
  history: ConnectionHistory;
  events: ConnectionEvents;
  links: LinkSeries;
  inbound: Inbound;
  firstContacts: FirstContacts;
  hand: InHand;
  sender: Sender;
  loop: SendLoop;
}

/** Makes the parts of an account that this host has claimed. Reads and writes nothing yet. */
export function accountParts(
  deps: HostDeps,
  host: AccountHost,
  machine: Machine,
  hold: Hold,
  account: Account,
  hot: AccountHot,
): AccountParts {
  const { clock, config } = deps;
  const mayAct = () => machine.mayAct();
  const tasks = new AccountTasks({
    deps,
    gone: () => machine.isGone(),
    leaseLost: () => machine.fence('lease lost'),
    recover: (error) => machine.recover(error),
  });
  const record = new AccountRecord(deps, hold, account, (why) => machine.fence(why));
  const current = () => record.account;

  const transport = host.transports.create({
    hold,
    account: current,
    stateHead: hot.authHead,
    fenced: (why) => machine.fence(why, 's3'),
  });

  // The send side. `hand` calls `loop`, which is made after it.
  const firstContacts = new FirstContacts(deps, record);
  const hand = new InHand({
    deps,
    hold,
    capacity: 1,
    inherited: hot.inHand,
    authHead: () => transport.stateHead,
    mayAct,
    failed: (error) => deps.failed('receipt', error),
    holdMs: () => loop.receiptHoldMs,
    receiptJoined: () => loop.wake(),
  });
  const sender = new Sender(deps, hand, current);
  const loop: SendLoop = new SendLoop(deps, hold, current, hot, sender, firstContacts);

  return {
    tasks,
    record,
    transport,
    history: new ConnectionHistory(deps, hold.accountId, config.RECONNECT_BASE_MS),
    events: new ConnectionEvents(deps, hold, lastActivity(account, hot)),
    links: new LinkSeries({
      clock,
      record,
      timedOut: () => tasks.post('link', () => machine.halt({ kind: 'link_timeout' })),
    }),
    inbound: new Inbound(deps, hold, current, mayAct),
    firstContacts,
    hand,
    sender,
    loop,
  };
}

/** Returns the time of the last known activity (epoch ms): the last claim, or creating or linking the account if that is later. */
function lastActivity({ createdAt, linkedAt }: Account, { lastActivity }: AccountHot): number {
  return Math.max(createdAt, linkedAt ?? 0, lastActivity ?? 0);
}
