import type { Table } from '../../lib/aws/client/table.ts';
import { claimAccount } from '../../lib/aws/hosts/ownership.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { textContent } from '../../lib/domain/content.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { Admission, type Wanted } from '../../lib/sending/admission.ts';
import { InHand } from '../../lib/sending/in-hand.ts';
import { Sender } from '../../lib/sending/sender.ts';
import { SentMessages } from '../../lib/sending/sent-messages.ts';
import { type Ack, NotSent, Unanswered, type Wire } from '../../lib/sending/wire.ts';
import { rowsTo } from '../factories.ts';
import { startFeedWorld, tenantId } from '../feed/feed-world.ts';

export const wireThat = (answer: (id: string) => Ack | 'silence' | 'not_sent'): Wire => ({
  lookup: async () => true,
  send: async ({ id }) => {
    const ack = answer(id);
    if (ack === 'silence') throw new Unanswered('no ack');
    if (ack === 'not_sent') throw new NotSent('the line broke');
    return ack;
  },
});
const steps = { courtesy: async () => {}, onWire() {}, firstContactsRefused: async () => {} };

/** No answer comes: the transaction did not stand (`before`), stood (`after`), or stands once `land` is called (`late`). A function runs first. */
type Fault = 'before' | 'after' | 'late' | (() => Promise<void>);

/** A feed world with owners of its accounts, which have no socket. */
export async function startOwnerWorld() {
  const world = await startFeedWorld();

  return {
    ...world,
    /** A new owner of the account, which sends up to `capacity` messages at once; it finds what the last one left in hand. */
    async ownerOf(account: Account, table: Table = world.table, capacity = 25) {
      await world.beat();
      const seen = await world.hot(account);
      const hot = seen === undefined ? undefined : await claimAccount(world.table, seen, world.hostId);
      if (hot === undefined) throw new Error('not claimed');
      let nonces = 0;
      const counted: string[] = [];
      const deps = {
        table,
        clock: systemClock,
        random: () => 0.5,
        nonce: () => `nonce-${hot.epoch}-${++nonces}`,
        lease: { valid: () => true },
        logger: { info() {} },
        counts: {
          claim: (result: string) => counted.push(result),
          send() {},
          ack() {},
          acceptToAck() {},
          poisoned() {},
        },
        sent: new SentMessages(),
      };
      const hand = new InHand({
        deps,
        hold: { tenantId, accountId: account.id, hostId: world.hostId, epoch: hot.epoch },
        capacity,
        inherited: hot.inHand,
        authHead: () => undefined,
        mayAct: () => true,
        failed: () => {},
        holdMs: () => 0,
        receiptJoined: () => {},
      });
      const sender = new Sender(deps, hand, () => ({}));
      const admission = new Admission(deps, hand, hot);
      const claimAll = (messages: Message[]) =>
        admission.claimAll(
          messages.map((message): Wanted => {
            const recipients = { own: { phoneNumber: message.to }, next: () => [] };
            return { message, seen: { running: true, stops: admission.stops }, recipients };
          }),
          hot.pace,
        );
      return {
        hand,
        sender,
        pace: hot.pace,
        counted,
        claimAll,
        /** Claims all of them, without exception. */
        async claim(messages: Message[]): Promise<Message[]> {
          const admitted = [...(await claimAll(messages)).values()];
          return admitted.map((one) => {
            if (one.kind !== 'claimed') throw new Error(one.kind);
            return one.message;
          });
        },
        send: (messages: Message[], wire = wireThat(() => ({}))) =>
          Promise.all(messages.map((message) => sender.send(wire, message, textContent('x'), steps))),
      };
    },
    /** A contract of the account whose rows are in the lane. */
    async fed(account: Account, count: number, from = 0): Promise<{ contract: Contract; messages: Message[] }> {
      const contract = await world.contract(account, rowsTo(count, from));
      await world.drain();
      return { contract, messages: await world.messages(contract) };
    },
    /** The world's table, with a count of its transactions and with faults of some, by their number from 1 on. */
    watchedTable(faults: Record<number, Fault> = {}) {
      let transactions = 0;
      let late: (() => Promise<unknown>) | undefined;
      const { table } = world.through((real) => ({
        tryTransact: async (...args: Parameters<Table['tryTransact']>) => {
          transactions += 1;
          const fault = faults[transactions];
          if (fault === 'late') late = () => real.tryTransact(...args);
          if (fault === 'late' || fault === 'before') throw new Error('no answer');
          if (typeof fault === 'function') await fault();
          const result = await real.tryTransact(...args);
          if (fault === 'after') throw new Error('no answer');
          return result as never;
        },
      }));
      return {
        table,
        count: () => transactions,
        /** The transaction that was late comes to the table. Returns whether it stands there. */
        land: async (): Promise<boolean> => {
          if (late === undefined) throw new Error('nothing is late');
          return (await late()) === undefined;
        },
      };
    },
  };
}

export type OwnerWorld = Awaited<ReturnType<typeof startOwnerWorld>>;
