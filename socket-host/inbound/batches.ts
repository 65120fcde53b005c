import type { Write } from '../../lib/aws/client/table.ts';
import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import {
  type BatchTarget,
  closeBatch,
  dueAt,
  leftOpenBatches,
  type Stored,
  storeInbound,
} from '../../lib/aws/inbound/inbound.ts';
import { newId } from '../../lib/domain/ids.ts';
import { hasRoom, type InboundMessage, personOf, sizeOf } from '../../lib/domain/inbound/inbound.ts';
import { addressOf } from '../../lib/domain/people/person.ts';
import { keyedMutex } from '../../lib/runtime/mutex.ts';
import type { HostDeps } from '../deps.ts';

/** The most batches of one account that are open at a time. A message of one more chat becomes a closed batch of its own. */
const mostOpen = 1000;

/** The most tries to store one message. A try fails when the batch, or the list of suppressions, changes at the same moment. */
const maxAttempts = 10;

/** A batch that this owner has open. */
interface Open {
  id: string;
  chat: string;
  count: number;
  characters: number;
  /** Epoch ms. */
  lastAt: number;
  dueAt: number;
}

/** Writes that go with a message, in its transaction. They are planned anew when their base was changed in between. */
export interface Consequence {
  writes: Write[];
  /** Called when the message and the writes are in the table. */
  done(): void;
}

/**
 * Stores the messages that people write to one account before WhatsApp gets its receipt, and closes them in batches, each one event:
 *
 *   first message of a chat -> open, in the table -> more are added -> quiet for 2 s, or 10 s old, or full -> closed (an event)
 *
 * Open batches are in the table with every message, so a crash loses none. The next owner closes batches that it finds open, and the sweep closes
 * those without an owner. Owner and sweep may both try; only one succeeds.
 */
export class InboundBatches {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly quietMs: number;
  private readonly open = new Map<string, Open>();
  private readonly locked = keyedMutex();
  private readonly ended = new AbortController();

  constructor(deps: HostDeps, hold: Hold) {
    this.deps = deps;
    this.hold = hold;
    this.quietMs = deps.config.INBOUND_BATCH_MS;
  }

  /** Stores a message; a repeat changes nothing. Messages of one chat are stored one after the other. */
  async keep(
    message: InboundMessage,
    plan: () => Promise<Consequence | undefined> = async () => undefined,
    secret?: Uint8Array,
  ): Promise<Exclude<Stored, 'closed' | 'refused'>> {
    const chat = addressOf(personOf(message));
    return await this.locked(chat, async () => {
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const consequence = await plan();
        const stored = await this.store(chat, message, consequence?.writes ?? [], secret);
        if (stored === 'closed') this.open.delete(chat);
        if (stored === 'stored') consequence?.done();
        if (stored === 'stored' || stored === 'repeated') return stored;
      }
      throw new Error('the consequences of a message kept changing while it was stored');
    });
  }

  /** Closes batches that the last owner left open. */
  async adopt(): Promise<void> {
    const { table, clock, metrics } = this.deps;
    for (const batch of await leftOpenBatches(table, this.hold, clock.nowMs())) {
      if (this.isOurs(batch.id)) continue;
      if (await closeBatch(table, batch, clock.nowMs())) metrics.batches.inc({ kind: 'next_owner' });
    }
  }

  /** Closes all open batches, because the account goes to another owner. The next owner closes those that fail. */
  async close(): Promise<void> {
    this.ended.abort();
    await Promise.all([...this.open.keys()].map((chat) => this.locked(chat, () => this.closeNow(chat))));
  }

  /** Call this when the account has another owner. No batch is closed any more. */
  abandon(): void {
    this.ended.abort();
    this.open.clear();
  }

  private async store(chat: string, message: InboundMessage, writes: Write[], secret?: Uint8Array): Promise<Stored> {
    const { table, clock } = this.deps;
    const nowMs = clock.nowMs();
    let batch = this.open.get(chat);
    if (batch !== undefined && !hasRoom(batch, message)) {
      await this.closeNow(chat);
      batch = undefined;
    }
    const target: BatchTarget = batch === undefined ? this.newTarget(nowMs) : { kind: 'open', id: batch.id };
    const stored = await storeInbound(table, this.hold, message, target, nowMs, writes, secret);
    if (stored !== 'stored') return stored;
    if (batch !== undefined) {
      batch.count += 1;
      batch.characters += sizeOf(message);
      batch.lastAt = nowMs;
    } else if (target.kind === 'new' && target.dueAt !== undefined) {
      const opened = { id: target.id, chat, count: 1, characters: sizeOf(message), lastAt: nowMs, dueAt: target.dueAt };
      this.open.set(chat, opened);
      void this.closeWhenQuiet(opened);
    } else this.deps.metrics.batches.inc({ kind: 'owner' });
    return stored;
  }

  private newTarget(nowMs: number): BatchTarget {
    const random = (n: number) => Uint8Array.from({ length: n }, () => Math.floor(this.deps.random() * 256));
    const due = this.open.size < mostOpen && !this.ended.signal.aborted ? dueAt(nowMs, this.quietMs) : undefined;
    return { kind: 'new', id: newId('inb', nowMs, random), dueAt: due };
  }

  private async closeWhenQuiet(batch: Open): Promise<void> {
    const { clock } = this.deps;
    const { signal } = this.ended;
    for (;;) {
      const waitMs = Math.min(batch.lastAt + this.quietMs, batch.dueAt) - clock.nowMs();
      if (waitMs <= 0) break;
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
    }
    await this.locked(batch.chat, async () => {
      if (this.open.get(batch.chat) !== batch) return;
      await this.closeNow(batch.chat);
    });
  }

  /** Closes the batch of a chat. Call this under the lock of the chat. The sweep closes a batch that cannot be closed now. */
  private async closeNow(chat: string): Promise<void> {
    const batch = this.open.get(chat);
    if (batch === undefined) return;
    this.open.delete(chat);
    const { tenantId, accountId } = this.hold;
    const { table, clock, metrics, lease } = this.deps;
    if (!lease.valid()) return;
    try {
      if (await closeBatch(table, { tenantId, accountId, id: batch.id }, clock.nowMs()))
        metrics.batches.inc({ kind: 'owner' });
    } catch (error) {
      this.deps.failed('inbound', error);
    }
  }

  private isOurs(id: string): boolean {
    return [...this.open.values()].some((batch) => batch.id === id);
  }
}
