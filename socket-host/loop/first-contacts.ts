import type { Account } from '../../lib/domain/accounts/account.ts';
import { heldUntil, withHoldWarning } from '../../lib/domain/accounts/first-contacts.ts';
import { mutex } from '../../lib/runtime/mutex.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';

/** The part of AccountRecord that is used here. */
interface AccountItem {
  /** The account as last read or written. */
  readonly account: Account;
  save(change: { firstContactsHeldUntil: number | undefined; warnings: string[] }): Promise<unknown>;
}

type Asked = Pick<TransportSession, 'hasChat' | 'firstContactsRefusedUntil'>;

/**
 * Holds back messages to people with whom the account has no chat, while WhatsApp refuses them. The hold is in the account's item, so that the
 * next owner keeps it too:
 *
 *   open -> held (a 463, or WhatsApp says so) -> open (the time is over, or WhatsApp says so)
 */
export class FirstContacts {
  private readonly deps: Pick<HostDeps, 'clock' | 'failed'>;
  private readonly record: AccountItem;
  /** A change to write to the account's item. `untilMs` undefined: no hold. */
  private unwritten: { untilMs: number | undefined } | undefined;
  /** Mutex of writes. The send loop and the connection both write, and the newest change must be written last. */
  private readonly locked = mutex();

  constructor(deps: FirstContacts['deps'], record: FirstContacts['record']) {
    this.deps = deps;
    this.record = record;
  }

  /** The end of the hold (epoch ms); undefined while there is none. */
  get untilMs(): number | undefined {
    const untilMs = this.unwritten === undefined ? this.record.account.firstContactsHeldUntil : this.unwritten.untilMs;
    return untilMs !== undefined && untilMs > this.deps.clock.nowMs() ? untilMs : undefined;
  }

  /** Returns until when a message to this number must wait (epoch ms); undefined if it may be sent. */
  heldFor(to: string, session: Asked): number | undefined {
    const { untilMs } = this;
    return untilMs === undefined || session.hasChat(to) ? undefined : untilMs;
  }

  /** Begins a hold after a message was refused with 463. When this resolves, the hold applies; it is durable if the table could be written. */
  async refused(session: Asked): Promise<void> {
    const namedMs = await session.firstContactsRefusedUntil();
    await this.hold(heldUntil(namedMs, this.deps.clock.nowMs()));
  }

  /** Follows an announcement of WhatsApp: it refuses first contacts until `namedMs` (epoch ms; NaN: no time named), or accepts them (undefined). */
  async announced(namedMs: number | undefined): Promise<void> {
    const nowMs = this.deps.clock.nowMs();
    await this.hold(namedMs === undefined || namedMs <= nowMs ? undefined : heldUntil(namedMs, nowMs));
  }

  /** Writes a change that failed before, and removes a hold that is over. Call this before each message; normally it writes nothing. */
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
        // Until then the hold applies in this process. It is written before the next message.
        this.deps.failed('first contacts', error);
      }
    });
  }
}
