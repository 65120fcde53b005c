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

/** The receipts of one message that are written together. `written` settles when they are. */
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
  /** Whether this process may still write for the account. */
  mayAct(): boolean;
  /** A receipt could not be written; it is tried again. */
  failed(error: unknown): void;
  /** Makes receipts part of the message's outcome, if that is kept (`Held.join`). */
  join(messageId: string, receipts: TimedReceipt[]): Promise<boolean> | undefined;
  /** How long (ms) a receipt is worth holding back for the next outcome of the account. */
  holdMs(): number;
}

/**
 * How long (ms) a receipt waits for others, so that they are written together. An account that sends without limits gets dozens in a quarter of
 * a second, which then share the write of their contract's counter.
 */
const gatherMs = 250;
/** A write that fails is tried again after these waits (ms). Receipts that fail then too come again on the next connection. */
const waitsMs = [500, 2000, 8000];

/**
 * Writes the receipts of one account. Receipts only move a message forward, so one that is late changes nothing. Only receipts of the message's
 * recipient, for a message of this account, are written; others are taken and change nothing.
 *
 *   comes -> its message's outcome is kept: becomes part of that outcome (`join`), and stands or falls with it
 *       \-> any other: waits a quarter of a second for others -> all in one transaction -> [one was not as thought: each by itself]
 *                     \-> meanwhile a claim or an outcome of the account is written: rides along in that transaction (`along`)
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
  private readonly holdMs: () => number;
  private readonly sent: SentMessages;
  private readonly clock: Clock;
  private readonly full = new Bell();
  private readonly waiting = new Map<string, ReceiptGroup>();
  private working = false;
  /** The last transaction could not be written in all its tries. The receipts that wait then have one try each, so that they do not wait as long. */
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
    this.holdMs = options.holdMs;
  }

  /** Takes a receipt. Rejects when it could not be written, or when the account is not ours any more. */
  add({ messageId, kind, at, from }: Receipt): Promise<void> {
    const before = this.waiting.get(messageId);
    const group = before ?? { messageId, receipts: [], written: Promise.withResolvers<void>() };
    group.receipts.push({ kind, at, from });
    // The outcome waits for nothing but this receipt.
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

  /** Call this when the message's outcome is kept: a receipt that was faster than the ack joins it. */
  outcomeKept(messageId: string): void {
    const group = this.waiting.get(messageId);
    if (group !== undefined && this.joined(group)) this.waiting.delete(messageId);
  }

  /**
   * Lets waiting receipts that need no read ride along in a transaction of their account, for up to `most` messages: at half the write units,
   * if their contract's counter is in it. `stood` says, by the answer of `write`, whether all of it is in the table. Receipts that may not be
   * there go their own way.
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
      const message = this.remembered(messageId);
      const after = message === undefined ? undefined : afterReceipts(message, group.receipts);
      if (message === undefined || after === undefined) continue;
      riders.push({ group, step: { message, ...after, nowMs: this.clock.nowMs() } });
    }
    for (const { group } of riders) this.waiting.delete(group.messageId);
    return riders;
  }

  private putBack(group: ReceiptGroup): void {
    // Perhaps it was not as this host remembered it.
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
      // What has been written instead is not what these follow.
      else
        Promise.all(group.receipts.map((receipt) => this.add({ messageId: group.messageId, ...receipt }))).then(
          () => group.written.resolve(),
          group.written.reject,
        );
    });
    return joined !== undefined;
  }

  /** Tries until no group is left, or the waits are used up. Groups that are left then are rejected. */
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

  /** Removes from `left` each group that is in the table, or changes nothing. */
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

  /** Returns the messages of these groups as this process last wrote them. Those that it does not remember are read. */
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

  /** Writes one group by itself. `known`: the message as it was read just now; without it, the message is read. */
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
