import { moveMessage, readMessage } from '../lib/aws/messages.ts';
import { ConditionFailed, type Table } from '../lib/aws/table.ts';
import { applyReceipt, type Message } from '../lib/domain/message.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { SentMessages } from './sent-messages.ts';

interface Receipt {
  messageId: string;
  kind: 'delivered' | 'read';
  at: number;
}

interface Waiting {
  receipt: Receipt;
  written: PromiseWithResolvers<void>;
}

/** Receipts of different messages written at the same time. */
const width = 4;
/** A write that fails is tried again after these waits; what fails then too comes again on the next connection. */
const waitsMs = [500, 2000, 8000];

/**
 * Writes the receipts of one account. Receipts of one message are written one after the other, and only forward: an older one that
 * comes late changes nothing. A receipt for a message in hand settles it: the skipped SENT is filled in. `add` resolves when a receipt is in the
 * table or changes nothing; whoever brought it is told only then that we have it.
 */
export class Receipts {
  private readonly table: Table;
  private readonly tenantId: string;
  private readonly mayAct: () => boolean;
  private readonly failed: (error: unknown) => void;
  private readonly sent: SentMessages;
  private readonly clock: Clock;
  private readonly waiting = new Map<string, Waiting[]>();
  private active = 0;
  /** The last one could not be written in all its tries: the others of a long queue do not wait as long, one after the other. */
  private failing = false;
  private idle: (() => void)[] = [];

  constructor(options: {
    table: Table;
    clock: Clock;
    sent: SentMessages;
    tenantId: string;
    mayAct(): boolean;
    failed(error: unknown): void;
  }) {
    this.table = options.table;
    this.clock = options.clock;
    this.sent = options.sent;
    this.tenantId = options.tenantId;
    this.mayAct = options.mayAct;
    this.failed = options.failed;
  }

  /** Rejects when it could not be written, or when the account is not ours any more. */
  add(receipt: Receipt): Promise<void> {
    const written = Promise.withResolvers<void>();
    const line = this.waiting.get(receipt.messageId);
    if (line !== undefined) line.push({ receipt, written });
    else this.waiting.set(receipt.messageId, [{ receipt, written }]);
    if (this.active < width) void this.work();
    return written.promise;
  }

  /** Resolves when all receipts that came so far are written or given up. */
  async settled(): Promise<void> {
    if (this.active === 0 && this.waiting.size === 0) return;
    await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private readonly busy = new Set<string>();

  private async work(): Promise<void> {
    this.active += 1;
    for (;;) {
      const id = this.nextFree();
      if (id === undefined) break;
      const line = this.waiting.get(id) ?? [];
      this.waiting.delete(id);
      this.busy.add(id);
      for (const { receipt, written } of line) await this.tryToWrite(receipt).then(written.resolve, written.reject);
      this.busy.delete(id);
    }
    this.active -= 1;
    if (this.active === 0 && this.waiting.size === 0) {
      for (const resolve of this.idle.splice(0)) resolve();
    }
  }

  private nextFree(): string | undefined {
    for (const id of this.waiting.keys()) if (!this.busy.has(id)) return id;
    return undefined;
  }

  private async tryToWrite(receipt: Receipt): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      if (!this.mayAct()) throw new Error('the account is not ours any more');
      try {
        await this.write(receipt);
        this.failing = false;
        return;
      } catch (error) {
        this.failed(error);
        const waitMs = this.failing ? undefined : waitsMs[attempt];
        if (waitMs === undefined) {
          this.failing = true;
          throw error;
        }
        await this.clock.sleep(waitMs);
      }
    }
  }

  private async write(receipt: Receipt): Promise<void> {
    let message = this.sent.get(receipt.messageId);
    for (let attempt = 1; attempt <= 5; attempt++) {
      message ??= await readMessage(this.table, this.tenantId, receipt.messageId);
      if (message === undefined) return;
      const to = applyReceipt(message.state, receipt.kind);
      if (to === undefined) return;
      try {
        this.sent.put(await moveMessage(this.table, message, to, timesOf(message, receipt)));
        return;
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        this.sent.forget(receipt.messageId);
        message = undefined;
      }
    }
    throw new Error('a message kept changing while its receipt was written');
  }
}

/** Pure: the times a receipt fills in, those of skipped steps included. A receipt that settles a send is its definite answer. */
function timesOf(message: Message, receipt: Receipt) {
  // WhatsApp counts in whole seconds, cut off: no step comes before the one it follows.
  const sentAt = message.sentAt ?? receipt.at;
  const deliveredAt = message.deliveredAt ?? Math.max(receipt.at, sentAt);
  return {
    sentAt,
    deliveredAt,
    ...(receipt.kind === 'read' ? { readAt: Math.max(receipt.at, deliveredAt) } : {}),
    ...(message.state === 'SENDING' ? { attempts: message.attempts + 1 } : {}),
  };
}
