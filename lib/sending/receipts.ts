import type { Item, Table } from '../aws/client/table.ts';
import { keys } from '../aws/keys.ts';
import {
  afterStep,
  maxSteps,
  readMessage,
  type Step,
  takeSteps,
  takesSteps,
  toMessage,
  tryMove,
} from '../aws/messages/messages.ts';
import type { Message } from '../domain/messages/message.ts';
import { afterReceipts, type TimedReceipt } from '../domain/messages/receipts.ts';
import { Bell, type Clock } from '../runtime/clock.ts';
import type { SentMessages } from './sent-messages.ts';

interface Receipt extends TimedReceipt {
  messageId: string;
}

/** The receipts of one message that are written together. `written` resolves when they are written, and rejects when they cannot be. */
interface ReceiptGroup {
  messageId: string;
  receipts: TimedReceipt[];
  written: PromiseWithResolvers<void>;
}

export interface ReceiptOptions {
  table: Table;
  clock: Clock;
  sent: SentMessages;
  tenantId: string;
  accountId: string;
  /** Returns true while this process may write for the account. */
  mayAct(): boolean;
  /** Called when receipts could not be written. They are tried again, or come again on the next connection. */
  failed(error: unknown): void;
  /** Adds receipts to the message's outcome, if that is kept; otherwise returns undefined (`Held.join`). */
  join(messageId: string, receipts: TimedReceipt[]): Promise<boolean> | undefined;
  /** Returns true while the message's outcome is kept, and so may be in a transaction that is under way. */
  outcomeIsKept(messageId: string): boolean;
  /** Returns how long (ms) a receipt should wait for the next outcome of the account. */
  holdMs(): number;
}

/**
 * Shortest time (ms) for which a receipt waits for others, so that they are written together. An account that sends without limits gets dozens
 * in this time, which then share the write of their contract's counter.
 */
const gatherMs = 250;
/** A failed write is tried again after these waits (ms). If it still fails, WhatsApp sends the receipts again on the next connection. */
const waitsMs = [500, 2000, 8000];

/**
 * Writes the receipts of one account. Receipts only move a message forward, so a late one changes nothing. Only receipts of the message's
 * recipient, for a message of this account, are written; others resolve and change nothing.
 *
 *   a receipt -> its message's outcome is kept: becomes part of that outcome (`join`), and is written with it or not at all
 *           \-> any other: waits for others, see `gatherMs` -> all in one transaction -> [one message had changed: each receipt alone]
 *                         \-> a claim or an outcome of the account is written meanwhile: joins that transaction (`along`)
 *
 * `add` resolves when a receipt is in the table, or changes nothing. Only then may the network hear that Paceline has the receipt.
 */
export class Receipts {
  private readonly table: Table;
  private readonly tenantId: string;
  private readonly accountId: string;
  private readonly mayAct: () => boolean;
  private readonly failed: (error: unknown) => void;
  private readonly join: (messageId: string, receipts: TimedReceipt[]) => Promise<boolean> | undefined;
  private readonly outcomeIsKept: (messageId: string) => boolean;
  private readonly holdMs: () => number;
  private readonly sent: SentMessages;
  private readonly clock: Clock;
  private readonly full = new Bell();
  private readonly waiting = new Map<string, ReceiptGroup>();
  private working = false;
  /** True after receipts failed in all their tries. The next receipts are then tried only once, so that a long queue waits less. */
  private failing = false;
  private idle: (() => void)[] = [];

  constructor(options: ReceiptOptions) {
    this.table = options.table;
    this.clock = options.clock;
    this.sent = options.sent;
    this.tenantId = options.tenantId;
    this.accountId = options.accountId;
    this.mayAct = options.mayAct;
    this.failed = options.failed;
    this.join = options.join;
    this.outcomeIsKept = options.outcomeIsKept;
    this.holdMs = options.holdMs;
  }

  /** Takes a receipt. Rejects when it could not be written, or when this host does not own the account any more. */
  add({ messageId, kind, at, from }: Receipt): Promise<void> {
    const before = this.waiting.get(messageId);
    const group = before ?? { messageId, receipts: [], written: Promise.withResolvers<void>() };
    group.receipts.push({ kind, at, from });
    // A kept outcome waits for its first receipt.
    if (before === undefined && this.joined(group)) return group.written.promise;
    this.waiting.set(messageId, group);
    if (this.waiting.size >= maxSteps) this.full.ring();
    if (!this.working) void this.work();
    return group.written.promise;
  }

  /** Resolves when no receipt waits any more: all are written or given up, or have joined an outcome. */
  async noneWaiting(): Promise<void> {
    if (!this.working) return;
    const emptied = new Promise<void>((resolve) => this.idle.push(resolve));
    this.full.ring();
    await emptied;
  }

  /** Call this when the message's outcome is kept. A receipt that came before the ack then joins the outcome. */
  outcomeKept(messageId: string): void {
    const group = this.waiting.get(messageId);
    if (group !== undefined && this.joined(group)) this.waiting.delete(messageId);
  }

  /**
   * Adds waiting receipts that need no read to another transaction of their account, for up to `most` messages. This halves their write units if
   * their contract's counter is in it. `stood` returns true if, by the answer of `write`, all of it is in the table. Otherwise the receipts wait
   * again and are written apart.
   */
  async along<T>(most: number, write: (riders: Step[]) => Promise<T>, stood: (answer: T) => boolean): Promise<T> {
    const riders = this.board(most);
    let whole = false;
    try {
      const answer = await write(riders.map(({ step }) => step));
      whole = stood(answer);
      return answer;
    } finally {
      for (const { group, step } of riders) {
        if (!whole) this.putBack(group);
        else {
          this.sent.put(afterStep(step));
          group.written.resolve();
        }
      }
      if (!this.working && this.waiting.size > 0) void this.work();
    }
  }

  private board(most: number): { group: ReceiptGroup; step: Step }[] {
    const riders: { group: ReceiptGroup; step: Step }[] = [];
    for (const [messageId, group] of this.waiting) {
      if (riders.length >= most) break;
      // The same message may be in the other transaction already, which takes an item only once.
      if (this.outcomeIsKept(messageId)) continue;
      const message = this.remembered(messageId);
      const after = message === undefined ? undefined : afterReceipts(message, group.receipts);
      if (message === undefined || after === undefined) continue;
      riders.push({ group, step: { message, ...after, nowMs: this.clock.nowMs() } });
    }
    for (const { group } of riders) this.waiting.delete(group.messageId);
    return riders;
  }

  private putBack(group: ReceiptGroup): void {
    // The message may have changed since this host wrote it.
    this.sent.forget(group.messageId);
    const later = this.waiting.get(group.messageId);
    if (later === undefined) {
      this.waiting.set(group.messageId, group);
      return;
    }
    later.receipts.unshift(...group.receipts);
    later.written.promise.then(group.written.resolve, group.written.reject);
  }

  private async work(): Promise<void> {
    this.working = true;
    while (this.waiting.size > 0) {
      if (this.idle.length === 0 && this.waiting.size < maxSteps) {
        await this.full.wait(this.clock, Math.max(gatherMs, this.holdMs()));
      }
      const groups = [...this.waiting.values()].slice(0, maxSteps);
      for (const { messageId } of groups) this.waiting.delete(messageId);
      await this.tryToWrite(groups.filter((group) => !this.joined(group)));
    }
    this.working = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private joined(group: ReceiptGroup): boolean {
    const joined = this.join(group.messageId, group.receipts);
    void joined?.then((whole) => {
      if (whole) group.written.resolve();
      // Another outcome was written, so these receipts are taken again.
      else
        Promise.all(group.receipts.map((receipt) => this.add({ messageId: group.messageId, ...receipt }))).then(
          () => group.written.resolve(),
          group.written.reject,
        );
    });
    return joined !== undefined;
  }

  /** Writes the groups, with retries. Rejects the groups that are left after the last one. */
  private async tryToWrite(groups: ReceiptGroup[]): Promise<void> {
    const left = new Set(groups);
    const giveUp = (error: unknown) => {
      for (const { written } of left) written.reject(error);
    };
    for (let attempt = 0; left.size > 0; attempt++) {
      if (!this.mayAct()) return giveUp(new Error('the account is not ours any more'));
      try {
        await this.write(left);
        this.failing = false;
      } catch (error) {
        this.failed(error);
        const waitMs = this.failing ? undefined : waitsMs[attempt];
        if (waitMs === undefined) {
          this.failing = true;
          return giveUp(error);
        }
        await this.clock.sleep(waitMs);
      }
    }
  }

  /** Writes groups, and removes each from `left` that is in the table or changes nothing. */
  private async write(left: Set<ReceiptGroup>): Promise<void> {
    const done = (group: ReceiptGroup) => {
      left.delete(group);
      group.written.resolve();
    };
    const alone: { group: ReceiptGroup; message: Message | undefined }[] = [];
    const together: { group: ReceiptGroup; step: Step }[] = [];
    for (const [group, message] of await this.messagesOf([...left])) {
      const after = message === undefined ? undefined : afterReceipts(message, group.receipts);
      if (message === undefined || after === undefined) done(group);
      else if (takesSteps(message)) together.push({ group, step: { message, ...after, nowMs: this.clock.nowMs() } });
      else alone.push({ group, message });
    }
    if (together.length > 0) {
      const stand = await takeSteps(
        this.table,
        together.map(({ step }) => step),
      );
      for (const { group, step } of together) {
        if (stand) {
          this.sent.put(afterStep(step));
          done(group);
        } else {
          this.sent.forget(group.messageId);
          alone.push({ group, message: undefined });
        }
      }
    }
    for (const { group, message } of alone) {
      await this.writeAlone(group, message);
      done(group);
    }
  }

  /** Returns the messages of these groups as this process last wrote them. Reads those that it does not remember. */
  private async messagesOf(groups: ReceiptGroup[]): Promise<[ReceiptGroup, Message | undefined][]> {
    const known = groups.map((group): [ReceiptGroup, Message | undefined] => [group, this.remembered(group.messageId)]);
    const unknown = known.flatMap(([{ messageId }, message]) => (message === undefined ? [messageId] : []));
    if (unknown.length === 0) return known;
    const items = await this.table.getMany<Item>(unknown.map((id) => keys.message(this.tenantId, id)));
    const ours = items.filter((item) => item?.accountId === this.accountId);
    const read = new Map(ours.flatMap((item) => (item === undefined ? [] : [[item.id, toMessage(item)]])));
    return known.map(([group, message]) => [group, message ?? read.get(group.messageId)]);
  }

  /** Returns the message as this process last wrote it; undefined for another account's. */
  private remembered(messageId: string): Message | undefined {
    const message = this.sent.get(messageId);
    return message?.accountId === this.accountId ? message : undefined;
  }

  /** Writes one group alone. `known` is the message as just read; without it, the message is read. */
  private async writeAlone({ messageId, receipts }: ReceiptGroup, known: Message | undefined): Promise<void> {
    let message = known;
    for (let attempt = 1; attempt <= 5; attempt++) {
      message ??= await readMessage(this.table, this.tenantId, messageId);
      const after = message === undefined ? undefined : afterReceipts(message, receipts);
      if (message?.accountId !== this.accountId || after === undefined) return;
      const { moved } = await tryMove(this.table, message, after.to, this.clock.nowMs(), after.change);
      if (moved !== undefined) {
        this.sent.put(moved);
        return;
      }
      this.sent.forget(messageId);
      message = undefined;
    }
    throw new Error('a message kept changing while its receipt was written');
  }
}
