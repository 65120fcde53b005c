import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findAccounts } from '../../lib/aws/hosts/ownership.ts';
import { rendezvous } from '../../lib/domain/hosts/ownership.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { isWrite } from '../harness/fault-answers.ts';
import { type Call, type FaultProxies, type LogEntry, type Rule, startFaultProxies } from '../harness/fault-proxy.ts';
import { startWorld, type World } from '../harness/local-stack.ts';
import { productTable } from '../harness/product-table.ts';
import { until } from '../harness/until.ts';

/** Where each of the first five hosts is when it freezes; the sixth lives on. */
const points = [
  'idle',
  'between claim and send',
  'between send and ack',
  'between ack and outcome',
  'while it writes a segment',
] as const;
type Point = (typeof points)[number];

/**
 * Longer than the lease and than others wait before they take over. `FREEZE_SEC=60 npx vitest run test/chaos/freeze.system.test.ts` freezes for a
 * minute, the most there is time for: lane entries show again, and whatever the hosts were waiting for is long over when they wake.
 */
const frozenForMs = Number(process.env.FREEZE_SEC ?? '12') * 1000;

interface Frozen {
  point: Point;
  host: { id: string; pid: number };
  /** What its first process asked of AWS. */
  life: FaultProxies;
  accountId: string;
  number: string;
  phone: string;
  contractId: string | undefined;
  held: Rule | undefined;
}

const isClaim = ({ operation, body }: Call) =>
  operation === 'TransactWriteItems' && body.includes('"SENDING"') && body.includes('"QUEUED"');
const isOutcome = ({ operation, body }: Call) => operation === 'TransactWriteItems' && body.includes('"SENT"');
const isSegment = ({ operation, path }: Call) => operation === 'PutObject' && path.includes('/log/');

describe('hosts that are frozen for longer than their lease', () => {
  let world: World;
  /** Of each host, one set of proxies for each process it will be. */
  let lives: FaultProxies[][];
  let product: Awaited<ReturnType<typeof productTable>>;
  const restarts: string[] = [];
  let frozen: Frozen[];
  let frozenAtMs: number;

  beforeAll(async () => {
    lives = await Promise.all(
      points.map(() => Promise.all([startFaultProxies({ log: true }), startFaultProxies({ log: true })])),
    );
    const starts = new Map<number, number>();
    let endpoints: Endpoints | undefined;
    world = await startWorld({
      hosts: points.length + 1,
      quiet: true,
      onEndpoints(found) {
        endpoints = found;
        for (const life of lives.flat()) life.setTargets(found);
      },
      hostEnv(index) {
        const nth = starts.get(index) ?? 0;
        starts.set(index, nth + 1);
        return lives[index - 1]?.[nth]?.env ?? {};
      },
      onRestart: (sentence) => restarts.push(sentence),
    });
    if (endpoints === undefined) throw new Error('The stack has not said where its emulators are.');
    product = await productTable(endpoints);
    frozen = await placeAccounts();
    await Promise.all(frozen.map(bringToItsPoint));
    frozenAtMs = Date.now();
    // Each of them has a note in its wake queue when it wakes.
    await Promise.all(
      frozen.map(({ accountId }) => world.api('PATCH', `/v1/accounts/${accountId}`, { name: 'Frozen' })),
    );
  }, 90_000);

  afterAll(async () => {
    await world?.stop();
    product?.close();
    await Promise.all(lives.flat().map((life) => life.close()));
  });

  it('are replaced by the host that lives, which finishes what they had begun and goes on', async () => {
    for (const { contractId } of frozen) {
      if (contractId === undefined) continue;
      const ended = await world.ended(contractId, 40_000);
      expect(ended).toMatchObject({ status: 'COMPLETED', counts: { sent: 1 } });
    }
    await sendAll('while the others are frozen', {}, freshPhones(1));
    const repeats = await Promise.all(
      frozen.map(async ({ phone }) => (await world.received(phone)).map((m) => m.repeats)),
    );
    // Once each by id; what may have been on the wire already came again under the same id.
    expect(repeats).toEqual([[], [0], [1], [1], [0]]);
  }, 60_000);

  it('send nothing and write nothing when they wake, and start afresh', async () => {
    await sleep(Math.max(0, frozenAtMs + frozenForMs - Date.now()));
    const before = await world.totals();
    for (const { held } of frozen) held?.release();
    // What was on its way all the time arrives now, before they wake.
    await until('what was held to be answered', async () => frozen.every(({ life }) => life.log().every(wasAnswered)));
    const refused = (point: Point, operation: string) =>
      frozen
        .find((one) => one.point === point)
        ?.life.log()
        .filter((entry) => entry.fault === 'hold' && entry.operation === operation)
        .map(({ status }) => status);
    expect(refused('between ack and outcome', 'TransactWriteItems')).toEqual([400]);
    expect(refused('while it writes a segment', 'PutObject')).toEqual([412]);

    for (const { host } of frozen) process.kill(host.pid, 'SIGCONT');
    await until('all five to start afresh', async () => restarts.length >= points.length, 15_000);
    expect(restarts.map((sentence) => sentence.replace(/ and was .*/, '')).sort()).toEqual(
      points.map((_, at) => `host ${at + 1} ended (exit code 75)`),
    );
    await sleep(500);
    expect(await world.totals()).toMatchObject({ received: before.received, distinct: before.distinct });
    for (const { point, life, host } of frozen) {
      // Notes that it takes from its own wake queue are hints. No other host needs them.
      const written = life
        .log()
        .filter((entry) => isAcceptedWrite(entry) && entry.queue?.endsWith(host.id) !== true)
        .filter(({ doneAtMs }) => (doneAtMs ?? 0) > frozenAtMs + 1000);
      expect(written, point).toEqual([]);
    }
  }, 90_000);

  it('leave no trace in what is sent afterwards to the same phones', async () => {
    await sendAll(
      'after they woke',
      { lane: 'express' },
      frozen.map(({ phone }) => phone),
    );
    const { usedCounters, undecryptable } = await world.totals();
    expect({ usedCounters, undecryptable }).toEqual({ usedCounters: 0, undecryptable: 0 });
    const texts = await Promise.all(frozen.map(async ({ phone }) => (await world.received(phone)).map((m) => m.text)));
    const inHand = (point: Point) => (point === 'idle' ? [] : [point]);
    expect(texts).toEqual(points.map((point) => [...inHand(point), 'after they woke']));
  }, 60_000);

  /** One account for each of the first five hosts, linked and connected. */
  async function placeAccounts(): Promise<Frozen[]> {
    const hosts = world.stack.hosts;
    return await Promise.all(
      points.map(async (point, at) => {
        const host = hosts[at];
        const life = lives[at]?.[0];
        if (host === undefined || life === undefined) throw new Error(`There is no host for "${point}".`);
        const phone = `1215555010${at}`;
        await world.simulator('POST', '/phones', { number: phone, behaviour: { deliver: false } });
        const accountId = await accountOf(
          host.id,
          hosts.map(({ id }) => id),
        );
        const number = `1214555010${at}`;
        await link(accountId, number);
        return { point, host, life, accountId, number, phone, contractId: undefined, held: undefined };
      }),
    );
  }

  /** An account that is this host's by rendezvous, and that it has claimed; of the two that are asked, the other may have been faster. */
  async function accountOf(hostId: string, hostIds: string[]): Promise<string> {
    for (;;) {
      const settings = { name: 'To be placed', connect: false, useLimits: false };
      const { id } = await world.api<{ id: string }>('POST', '/v1/accounts', settings);
      if (rendezvous(hostIds, id)[0] !== hostId) continue;
      await world.api('POST', `/v1/accounts/${id}/connect`);
      if ((await until('an owner', () => ownerOf(id))) === hostId) return id;
      await world.api('DELETE', `/v1/accounts/${id}`);
    }
  }

  async function ownerOf(accountId: string): Promise<string | undefined> {
    for (const { id } of world.stack.hosts) {
      const owned = await findAccounts(product.table, `host#${id}`);
      if (owned.some((refs) => refs.accountId === accountId)) return id;
    }
    return undefined;
  }

  async function link(accountId: string, number: string): Promise<void> {
    const path = `/v1/accounts/${accountId}`;
    await world.simulator('POST', '/phones', { number });
    const { code } = await until('a QR code', () =>
      world.api<{ code: string }>('GET', `${path}/qr`).catch(() => undefined),
    );
    await world.simulator('POST', `/phones/${number}/scan`, { code });
    await until('connected', async () => (await world.api<{ status: string }>('GET', path)).status === 'connected');
  }

  /** Begins a message where the point needs one, stops it there, and freezes the host. */
  async function bringToItsPoint(one: Frozen): Promise<void> {
    const { point, host, life, number, phone, accountId } = one;
    // What linking left to write would be held in its place.
    await sleep(1000);
    switch (point) {
      case 'idle':
        process.kill(host.pid, 'SIGSTOP');
        return;
      case 'between claim and send':
        one.held = life.dynamodb.rule(isClaim, { kind: 'hold', at: 'after' });
        break;
      case 'between send and ack':
        await world.simulator('POST', '/faults', { kind: 'withhold-ack', account: number });
        break;
      case 'between ack and outcome':
        one.held = life.dynamodb.rule(isOutcome, { kind: 'hold', at: 'before' });
        break;
      case 'while it writes a segment':
        one.held = life.s3.rule(isSegment, { kind: 'hold', at: 'before' });
        break;
      default:
        return point satisfies never;
    }
    const { id } = await world.contract(accountId, [{ phoneNumber: phone, message: point }]);
    one.contractId = id;
    // At once: what is held for long is asked for again.
    await until(`${point}: the point`, async () => await atItsPoint(one), 20_000, 5);
    process.kill(host.pid, 'SIGSTOP');
    expect((await world.read(id)).counts, point).toMatchObject({ sending: 1 });
  }

  async function atItsPoint({ point, life, phone }: Frozen): Promise<boolean> {
    const held = life.log().find(({ fault }) => fault === 'hold');
    switch (point) {
      case 'idle':
        return true;
      case 'between claim and send':
        return held?.status === 200;
      case 'between send and ack':
        return (await world.received(phone)).length === 1;
      case 'between ack and outcome':
      case 'while it writes a segment':
        return held !== undefined;
      default:
        return point satisfies never;
    }
  }

  /** One message from every account, each to its own phone; all arrive. */
  async function sendAll(text: string, settings: object, phones: string[]): Promise<void> {
    const contracts = await Promise.all(
      frozen.map(({ accountId }, at) =>
        world.contract(accountId, [{ phoneNumber: phones[at] ?? '', message: text }], settings),
      ),
    );
    for (const { id } of contracts) {
      expect(await world.ended(id, 45_000)).toMatchObject({ status: 'COMPLETED', counts: { failed: 0 } });
    }
  }
});

function freshPhones(batch: number): string[] {
  return points.map((_, at) => `121655501${batch}${at}`);
}

function isAcceptedWrite({ operation, status }: LogEntry): boolean {
  return isWrite(operation) && status !== undefined && status < 300;
}

/** Waits for messages are answered when there are some. */
function wasAnswered({ operation, status }: LogEntry): boolean {
  return status !== undefined || operation === 'ReceiveMessage';
}
