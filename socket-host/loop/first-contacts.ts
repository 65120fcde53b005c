import type { Account } from '../../lib/domain/accounts/account.ts';
import { heldUntil, withHoldWarning } from '../../lib/domain/accounts/first-contacts.ts';
import { mutex } from '../../lib/runtime/mutex.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';

/** The account's item. */
interface AccountItem {
  /** As last read or written. */
  readonly account: Account;
  save(change: { firstContactsHeldUntil: number | undefined; warnings: string[] }): Promise<unknown>;
}

type Asked = Pick<TransportSession, 'hasChat' | 'firstContactsRefusedUntil'>;

/**
 * Holds an account's messages to people it has no chat with while WhatsApp refuses them. The hold is kept with the account, so that the
 * next owner keeps it too:
 *
 *   open -> held (a 463, or WhatsApp says so) -> open (the time is over, or WhatsApp says so)
 */
export class FirstContacts {
  private readonly deps: Pick<HostDeps, 'clock' | 'failed'>;
  private readonly record: AccountItem;
  /** What must be written to the account's item; `untilMs` undefined: no hold. */
  private unwritten: { untilMs: number | undefined } | undefined;
  /** The send loop and the connection both write: the newest word must be the last one in the table. */
  private readonly locked = mutex();

  constructor(deps: FirstContacts['deps'], record: FirstContacts['record']) {
    this.deps = deps;
    this.record = record;
  }

  /** Until when (epoch ms) first contacts are held; undefined while they are not. */
  get untilMs(): number | undefined {
    const untilMs = this.unwritten === undefined ? this.record.account.firstContactsHeldUntil : this.unwritten.untilMs;
    return untilMs !== undefined && untilMs > this.deps.clock.nowMs() ? untilMs : undefined;
  }

  /** Until when (epoch ms) a message to this number waits; undefined: it may go. */
  heldFor(to: string, session: Asked): number | undefined {
    const { untilMs } = this;
    return untilMs === undefined || session.hasChat(to) ? undefined : untilMs;
  }

  /** A message was refused with 463. First contacts are held when this resolves, durably if the table could be written. */
  async refused(session: Asked): Promise<void> {
    const namedMs = await session.firstContactsRefusedUntil();
    await this.hold(heldUntil(namedMs, this.deps.clock.nowMs()));
  }

  /** WhatsApp says, unasked, until when (epoch ms; NaN: no time) it refuses first contacts; undefined: it takes them again. */
  async announced(namedMs: number | undefined): Promise<void> {
    const nowMs = this.deps.clock.nowMs();
    await this.hold(namedMs === undefined || namedMs <= nowMs ? undefined : heldUntil(namedMs, nowMs));
  }

  /** Writes what could not be written before, and removes a hold that is over. Call this before each message; it writes nothing as a rule. */
  async refresh(): Promise<void> {
    const { firstContactsHeldUntil } = this.record.account;
    if (this.unwritten === undefined && firstContactsHeldUntil !== undefined && this.untilMs === undefined) {
      this.unwritten = { untilMs: undefined };
    }
    await this.write();
  }

  private async hold(untilMs: number | undefined): Promise<void> {
    if (untilMs === this.untilMs) return;
    this.unwritten = { untilMs };
    await this.write();
  }

  private async write(): Promise<void> {
    if (this.unwritten === undefined) return;
    await this.locked(async () => {
      const { unwritten } = this;
      if (unwritten === undefined) return;
      try {
        const warnings = withHoldWarning(this.record.account.warnings, unwritten.untilMs);
        await this.record.save({ firstContactsHeldUntil: unwritten.untilMs, warnings });
        if (this.unwritten === unwritten) this.unwritten = undefined;
      } catch (error) {
        // The hold counts in this process meanwhile, and is written before the next message.
        this.deps.failed('first contacts', error);
      }
    });
  }
}
