import { readConnectionEvents, saveConnectionEvents } from '../../lib/aws/accounts/connection-events.ts';
import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import {
  type ConnectionEvent,
  type ConnectionEventKind,
  decodeEvents,
  EventRing,
  encodeEvents,
} from '../../lib/domain/accounts/connection-events.ts';
import { isRecipient } from '../../lib/domain/messages/receipts.ts';
import type { HostDeps } from '../deps.ts';

/** Shortest times (ms) between two writes of events: after the end of a connection, and while messages are sent. */
const afterCloseMs = 60_000;
const whileSendingMs = 10 * 60_000;

/**
 * The last 100 events of an account's connections. They are read when the account first connects. They are stored when the account is given
 * up, when a connection ends, and every ten minutes while it sends. An idle account costs nothing. Events since the last write are lost when
 * the host dies.
 */
export class ConnectionEvents {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private ring = new EventRing();
  private loaded = false;
  private unsaved = false;
  private savedAtMs = Number.NEGATIVE_INFINITY;
  private loadedAtMs = Number.NEGATIVE_INFINITY;
  private saving: Promise<void> = Promise.resolve();
  private lastActiveMs: number;

  /** `activeAtMs`: the last known time at which something was sent or received (epoch ms). */
  constructor(deps: HostDeps, hold: Hold, activeAtMs: number) {
    this.deps = deps;
    this.hold = hold;
    this.lastActiveMs = activeAtMs;
  }

  /** The time at which something was last sent or received (epoch ms). */
  get activeAtMs(): number {
    return this.lastActiveMs;
  }

  /** Returns all events kept here, oldest first. */
  list(): ConnectionEvent[] {
    return this.ring.list();
  }

  /** Reads the events that the previous owner stored, once. Never rejects; after a failure the next call tries again. */
  async load(): Promise<void> {
    if (this.loaded) return;
    try {
      const stored = await readConnectionEvents(this.deps.table, this.hold);
      const mine = this.ring.list();
      this.ring = new EventRing();
      const before = stored === undefined ? [] : decodeEvents(stored.events);
      for (const { kind, at, value } of [...before, ...mine]) this.ring.add(kind, at, value);
      this.lastActiveMs = Math.max(this.lastActiveMs, stored?.activeAt ?? 0);
      this.loadedAtMs = this.deps.clock.monotonicMs();
      this.loaded = true;
    } catch (error) {
      this.deps.failed('connection events', error);
    }
  }

  add(kind: ConnectionEventKind, value = 0): void {
    this.ring.add(kind, this.deps.clock.nowMs(), value);
    this.unsaved = true;
  }

  /** Adds that the connection has ended, or could not be opened. `code` is WhatsApp's. */
  closed(code: number | undefined): void {
    this.add('closed', code ?? 0);
    if (this.deps.clock.monotonicMs() - this.savedAtMs >= afterCloseMs) void this.save();
  }

  /** Adds that the server accepted a message, `ms` after its encryption began. */
  sent(ms: number): void {
    this.add('sent', ms);
    this.active();
    const since = Math.max(this.savedAtMs, this.loadedAtMs);
    if (this.deps.clock.monotonicMs() - since >= whileSendingMs) void this.save();
  }

  /**
   * Adds `delivered` if this receipt is the first of its message. `ackedAt` (epoch ms) is given for a message whose outcome this host still
   * keeps; for others, this host's own writes say whether the message is still SENT.
   */
  received(receipt: { messageId: string; at: number; from: readonly string[] }, ackedAt?: number): void {
    this.active();
    const message = this.deps.sent.get(receipt.messageId);
    const first = message?.state === 'SENT' && isRecipient(message, receipt.from);
    const sentAt = ackedAt ?? (first ? message.sentAt : undefined);
    if (sentAt !== undefined) this.add('delivered', receipt.at - sentAt);
  }

  /** Call this when something was sent or received. */
  active(): void {
    this.lastActiveMs = this.deps.clock.nowMs();
  }

  /** Stores new events, if there are any. Resolves when no write is in progress, and never rejects. */
  save(): Promise<void> {
    this.saving = this.saving.then(() => this.store());
    return this.saving;
  }

  private async store(): Promise<void> {
    const { clock, lease, table } = this.deps;
    // Events that could not be read must not be overwritten.
    if (!this.loaded || !this.unsaved || !lease.valid()) return;
    this.unsaved = false;
    this.savedAtMs = clock.monotonicMs();
    try {
      const events = encodeEvents(this.ring.list());
      await saveConnectionEvents(table, this.hold, { events, activeAt: this.lastActiveMs, nowMs: clock.nowMs() });
    } catch (error) {
      this.unsaved = true;
      this.deps.failed('connection events', error);
    }
  }
}
