import { moveMessage, readMessage } from '../lib/aws/messages.ts';
import { ConditionFailed, type Table } from '../lib/aws/table.ts';
import { applyReceipt, type Message } from '../lib/domain/message.ts';
import type { SentMessages } from './sent-messages.ts';

interface Receipt {
  messageId: string;
  kind: 'delivered' | 'read';
  at: number;
}

/** Receipts of different messages written at the same time. */
const width = 4;

/**
 * Writes the receipts of one account. Receipts of one message are written one after the other, and only forward: an older one that
 * comes late changes nothing. A receipt for a message in hand settles it: the skipped SENT is filled in.
 */
export class Receipts {
  private readonly table: Table;
  private readonly tenantId: string;
  private readonly mayAct: () => boolean;
  private readonly failed: (error: unknown) => void;
  private readonly sent: SentMessages;
  private readonly waiting = new Map<string, Receipt[]>();
  private active = 0;
  private idle: (() => void)[] = [];

  constructor(options: {
    table: Table;
    sent: SentMessages;
    tenantId: string;
    mayAct(): boolean;
    failed(error: unknown): void;
  }) {
    this.table = options.table;
    this.sent = options.sent;
    this.tenantId = options.tenantId;
    this.mayAct = options.mayAct;
    this.failed = options.failed;
  }

  add(receipt: Receipt): void {
    const line = this.waiting.get(receipt.messageId);
    if (line !== undefined) line.push(receipt);
    else this.waiting.set(receipt.messageId, [receipt]);
    if (this.active < width) void this.work();
  }

  /** Resolves when all receipts that came so far are written. */
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
      for (const receipt of line) {
        try {
          if (this.mayAct()) await this.write(receipt);
        } catch (error) {
          this.failed(error);
        }
      }
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
