import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsService } from '../harness/fault-answers.ts';
import type { Call, Fault, FaultKind } from '../harness/fault-proxy.ts';
import type { Fleet, FleetAccount } from './fleet.ts';
import type { Orders } from './orders.ts';
import type { Recoveries } from './recoveries.ts';
import type { Seeded } from './seeded.ts';

/** What can be done to a fleet. Each answers with a sentence on what it did; those that take time resolve when it is over. */
export interface Mischief {
  /** Whether accounts of a host that was ended or frozen still wait for another. */
  busy(): boolean;
  killHost(): Promise<string>;
  /** The service takes its time, or hangs, so that the host dies with much of that open. */
  killSlowHost(service: 'dynamodb' | 's3'): Promise<string>;
  endHost(): Promise<string>;
  /** A stop longer than the lease makes the host start afresh when it wakes; a shorter one must not be noticed. */
  freezeHost(ms: number): Promise<string>;
  restartAll(signal: 'SIGKILL' | 'SIGTERM'): Promise<string>;
  killFunctions(): Promise<string>;
  dropConnections(share: number): Promise<string>;
  closeConnections(code: number, share: number): Promise<string>;
  /** 440, at most once an account: a second one within ten minutes ends in `failed` by design. */
  replaceConnection(): Promise<string>;
  withholdAcks(accounts: number): Promise<string>;
  delayAcks(accounts: number, ms: number): Promise<string>;
  errorAcks(accounts: number, code: number): Promise<string>;
  /**
   * People who have nothing to do with an order write: messages that cannot be read, receipts and requests for messages that were for others,
   * or that nobody sent. None of it may change anything.
   */
  strangersWrite(accounts: number): Promise<string>;
  /** The tenant's doing rather than a fault: what was stopped must stay so whatever else happens. */
  pauseContract(ms: number): Promise<string>;
  /** For `ms`, that share of the requests to the services meets one of the faults. */
  disturb(services: readonly AwsService[], kinds: readonly FaultKind[], ms: number, share: number): Promise<string>;
  /** Ends what waits for its occasion. */
  lift(): Promise<void>;
}

/** Longer than clients wait for an answer (lib/aws/client/clients.ts), shorter than a lease. */
const hangMs = 5_500;
/** A receive is waited for as long as it may wait itself, 20 s at most, as well. */
const receiveHangMs = 26_000;
const delayMs = 1_000;

export function mischief(
  fleet: Fleet,
  recoveries: Recoveries,
  work: Pick<Orders, 'pauseOne'>,
  random: Seeded,
): Mischief {
  const { world, proxies } = fleet;
  const { gone } = recoveries;
  const replaced = new Set<FleetAccount>();
  const requests = random.fork('requests');
  /** Bursts may overlap. */
  const bursts = new Set<(call: Call) => Fault | undefined>();
  proxies.setPlan((call) => {
    for (const burst of bursts) {
      const met = burst(call);
      if (met !== undefined) return met;
    }
    return undefined;
  });

  /** Hosts that run; undefined when it would be the last one. */
  function victim(): { id: string; pid: number } | undefined {
    const running = world.stack.hosts.filter(({ id }) => !gone.has(id));
    return running.length < 2 ? undefined : random.pick(running);
  }

  const fault = (order: object) => world.simulator('POST', '/faults', order);
  const some = (share: number) => random.sample(fleet.accounts, Math.max(1, Math.round(share * fleet.accounts.length)));

  async function signalled(what: 'SIGKILL' | 'SIGTERM', host = victim()): Promise<string> {
    if (host === undefined) return `${what} passed over: one host is left`;
    await recoveries.begin(what, host.id);
    process.kill(host.pid, what);
    return `${what} to a host`;
  }

  async function disturb(
    services: readonly AwsService[],
    kinds: readonly FaultKind[],
    ms: number,
    share: number,
  ): Promise<string> {
    const burst = ({ service, operation }: Call) =>
      services.includes(service) && requests.next() < share ? faultOf(requests.pick(kinds), operation) : undefined;
    bursts.add(burst);
    await sleep(ms);
    bursts.delete(burst);
    return `${services.join(', ')}: ${kinds.join(', ')} for ${ms / 1000} s, ${Math.round(share * 100)} % of requests`;
  }

  /** One account's share of `strangersWrite`. */
  async function strangersOf(account: FleetAccount): Promise<void> {
    const send = (order: object) =>
      world.simulator('POST', `/phones/${random.pick(fleet.strangers)}/send`, { to: account.number, ...order });
    const sent = [...new Set((await fleet.wire(account)).map(({ id }) => id))];
    // The last ones are in hand or wait for their receipts.
    const recent = sent.slice(-20);
    const forged = ['deliveredFor', 'readFor', 'retryFor'].flatMap((kind) =>
      random.sample(recent, 4).map((id) => ({ [kind]: id })),
    );
    const foreign = [
      { retryFor: `3EB0${'0'.repeat(18)}` },
      { readFor: [`3EB0${'F'.repeat(18)}`, ...recent.slice(-5)] },
      { deliveredFor: recent.at(-1) ?? 'nothing', group: true },
      { readFor: recent.at(-1) ?? 'nothing', group: true, participant: random.pick(fleet.phones) },
      { reaction: { id: recent.at(-1) ?? 'nothing', emoji: '\u{1f44d}' } },
      { edit: { id: 'of-nobody', text: 'An edit of a message that never came.' } },
    ];
    const unreadable = Array.from({ length: random.whole(5, 20) }, () => ({
      text: 'Nobody can read this.',
      corrupt: true,
    }));
    for (const order of random.sample([...forged, ...foreign, ...unreadable], 60)) await send(order);
  }

  return {
    disturb,
    busy: () => recoveries.busy(),
    killHost: () => signalled('SIGKILL'),
    async killSlowHost(service) {
      const slow = disturb([service], [service === 'dynamodb' ? 'delay' : 'hang'], 2_500, 0.7);
      await sleep(2_000);
      const killed = await signalled('SIGKILL');
      await slow;
      return `${killed} while ${service} is slow`;
    },
    endHost: () => signalled('SIGTERM'),
    async freezeHost(ms) {
      const host = victim();
      if (host === undefined) return 'SIGSTOP passed over: one host is left';
      const long = ms > 8_000;
      if (long) await recoveries.begin('SIGSTOP', host.id);
      else gone.add(host.id);
      process.kill(host.pid, 'SIGSTOP');
      await sleep(ms);
      process.kill(host.pid, 'SIGCONT');
      if (!long) gone.delete(host.id);
      return `SIGSTOP of a host for ${ms / 1000} s`;
    },
    async restartAll(signal) {
      for (const host of world.stack.hosts.filter(({ id }) => !gone.has(id))) await signalled(signal, host);
      for (const { name } of world.stack.functions) world.stack.kill(name);
      return `${signal} to all hosts, SIGKILL to all functions`;
    },
    async killFunctions() {
      const chosen = random.sample(world.stack.functions, random.whole(1, world.stack.functions.length));
      for (const { name } of chosen) world.stack.kill(name);
      return `SIGKILL to ${chosen.length} functions`;
    },
    async dropConnections(share) {
      const accounts = some(share);
      for (const { number } of accounts) await fault({ kind: 'drop', account: number });
      return `${accounts.length} connections dropped`;
    },
    async closeConnections(code, share) {
      const accounts = some(share);
      for (const { number } of accounts) await fault({ kind: 'close', code, account: number });
      return `${accounts.length} connections closed with ${code}`;
    },
    async replaceConnection() {
      const left = fleet.accounts.filter((account) => !replaced.has(account));
      if (left.length === 0) return '440 passed over: every account has had one';
      const account = random.pick(left);
      replaced.add(account);
      await fault({ kind: 'close', code: 440, account: account.number });
      return 'a connection closed with 440';
    },
    async withholdAcks(accounts) {
      // One that is paced first: what it sends again must keep its pace.
      const paced = random.sample(
        fleet.accounts.filter(({ pace }) => pace !== undefined),
        1,
      );
      const others = fleet.accounts.filter((account) => !paced.includes(account));
      const chosen = [...paced, ...random.sample(others, accounts - paced.length)];
      for (const { number } of chosen) await fault({ kind: 'withhold-ack', account: number });
      return `an ack withheld from ${chosen.length} accounts`;
    },
    async delayAcks(accounts, ms) {
      const chosen = random.sample(fleet.accounts, accounts);
      for (const { number } of chosen) await fault({ kind: 'delay-ack', account: number, ms });
      return `an ack ${ms / 1000} s late for ${chosen.length} accounts`;
    },
    async errorAcks(accounts, code) {
      const chosen = random.sample(fleet.accounts, accounts);
      const count = random.whole(1, 3);
      for (const { number } of chosen) await fault({ kind: 'error-ack', account: number, code, count });
      return `error ack ${code}, ${count} times, for ${chosen.length} accounts`;
    },
    async strangersWrite(accounts) {
      const chosen = random.sample(fleet.accounts, accounts);
      await Promise.all(chosen.map((account) => strangersOf(account)));
      return `strangers wrote to ${chosen.length} accounts: unreadable messages, forged receipts, requests for others' messages`;
    },
    pauseContract: (ms) => work.pauseOne(ms),
    async lift() {
      bursts.clear();
      await world.simulator('DELETE', '/faults');
    },
  };
}

function faultOf(kind: FaultKind, operation: string): Fault {
  switch (kind) {
    case 'hang':
    case 'swallow-answer':
      return { kind, ms: operation === 'ReceiveMessage' ? receiveHangMs : hangMs };
    case 'delay':
      return { kind, ms: delayMs };
    case 'hold':
      throw new Error('A plan holds nothing: nobody would release it.');
    default:
      return { kind };
  }
}
