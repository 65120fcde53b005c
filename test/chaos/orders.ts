import { setTimeout as sleep } from 'node:timers/promises';
import type { ContractView } from '../harness/local-stack.ts';
import type { Fleet, FleetAccount } from './fleet.ts';
import type { Seeded } from './seeded.ts';

/** A contract as it was ordered: each row's text names it and nothing else. */
export interface Order {
  id: string;
  account: FleetAccount;
  rows: { phone: string; text: string }[];
}

/** From when a pause was answered until it was to end, epoch ms. */
export interface Pause {
  order: Order;
  fromMs: number;
  toMs: number;
}

export interface OrdersOptions {
  /** At least this many, spread evenly at random over `spreadMs`, one an account in turn. */
  contracts: number;
  /** Messages of each. */
  rows: number;
  spreadMs: number;
  /** When fewer than so many are unfinished, more are ordered of unpaced accounts. */
  atLeastOpen: number;
  random: Seeded;
}

/** The work of a run: contracts ordered while things break, and which of them have ended. */
export interface Orders {
  readonly all: readonly Order[];
  readonly ended: ReadonlyMap<string, ContractView>;
  readonly pauses: readonly Pause[];
  /** Pauses a contract that is under way for so long, and starts it again; answers with a sentence. */
  pauseOne(ms: number): Promise<string>;
  /** Until the signal: orders what is due, and more when little is left to do. */
  keepComing(signal: AbortSignal): Promise<void>;
  /** One more of every account, to every phone: what a session lost shows in the next message. */
  closing(): Promise<void>;
  /** Looks at all that have not ended; answers how many are left. */
  look(): Promise<number>;
}

const everyMs = 500;

export function orders(fleet: Fleet, options: OrdersOptions): Orders {
  const { random, contracts, rows, spreadMs } = options;
  const all: Order[] = [];
  const ended = new Map<string, ContractView>();
  const pauses: Pause[] = [];
  const unpaced = fleet.accounts.filter(({ pace }) => pace === undefined);
  const due = Array.from({ length: contracts }, (_, at) => {
    const account = fleet.accounts[at % fleet.accounts.length];
    if (account === undefined) throw new Error('There are no accounts.');
    // A paced contract needs its time.
    return { account, atMs: random.next() * spreadMs * (account.pace === undefined ? 1 : 0.3) };
  }).sort((a, b) => a.atMs - b.atMs);
  let ordered = 0;
  /** Some more than once: a session that has been used is what a crash could roll back. */
  const somePhones = () => Array.from({ length: rows }, () => random.pick(fleet.phones));

  async function order(account: FleetAccount, phones: readonly string[]): Promise<void> {
    const name = `Order ${ordered++}`;
    const lines = phones.map((phone, at) => ({ phone, text: `${name}, row ${at}` }));
    const { id } = await fleet.ask<ContractView>('POST', '/v1/contracts', {
      accountId: account.id,
      name,
      recipients: lines.map(({ phone, text }) => ({ phoneNumber: phone, message: text, externalId: text })),
      start: true,
    });
    all.push({ id, account, rows: lines });
  }

  async function look(): Promise<number> {
    const open = all.filter(({ id }) => !ended.has(id));
    await Promise.all(
      open.map(async ({ id }) => {
        const contract = await fleet.world.read(id).catch(() => undefined);
        if (contract?.status === 'COMPLETED' || contract?.status === 'FAILED') ended.set(id, contract);
      }),
    );
    return all.length - ended.size;
  }

  return {
    all,
    ended,
    pauses,
    look,
    async pauseOne(ms) {
      const running = all.filter((one) => !ended.has(one.id) && !pauses.some(({ order }) => order === one));
      if (running.length === 0) return 'pause passed over: no contract is under way';
      const order = random.pick(running);
      try {
        await fleet.ask('POST', `/v1/contracts/${order.id}/pause`);
      } catch (error) {
        if (String(error).includes('ILLEGAL_STATE')) return 'pause passed over: the contract has ended';
        throw error;
      }
      const pause = { order, fromMs: Date.now(), toMs: 0 };
      pauses.push(pause);
      await sleep(ms);
      pause.toMs = Date.now();
      try {
        await fleet.ask('POST', `/v1/contracts/${order.id}/start`);
      } catch (error) {
        // The message in hand may have been the last one.
        if (!String(error).includes('that is COMPLETED')) throw error;
      }
      return `a contract paused for ${ms / 1000} s`;
    },
    async closing() {
      await Promise.all(fleet.accounts.map((account) => order(account, fleet.phones)));
    },
    async keepComing(signal) {
      const startedMs = performance.now();
      const under = new Set<Promise<void>>();
      let failure: unknown;
      const begin = (account: FleetAccount) => {
        const work = order(account, somePhones())
          .catch((error: unknown) => {
            failure = error;
          })
          .finally(() => under.delete(work));
        under.add(work);
      };
      while (!signal.aborted && failure === undefined) {
        while ((due[0]?.atMs ?? Number.POSITIVE_INFINITY) <= performance.now() - startedMs) {
          const next = due.shift();
          if (next !== undefined) begin(next.account);
        }
        const open = (await look()) + under.size;
        for (let more = open; more < options.atLeastOpen; more++) begin(random.pick(unpaced));
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      }
      for (const { account } of due.splice(0)) begin(account);
      await Promise.all(under);
      if (failure !== undefined) throw failure;
    },
  };
}
