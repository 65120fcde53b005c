import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { moveContract } from '../../../lib/aws/contracts/contracts.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

const factor = 10;

it('closes its connections when a heartbeat hangs for longer than the lease', async () => {
  const gateway = await startGateway(systemClock, scaledClock(5));
  try {
    const faults: Faults = {};
    const fenced: string[] = [];
    await gateway.host((why) => fenced.push(why), faults);
    const account = await gateway.account();
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    faults.before = (command) =>
      command === 'UpdateItem' ? new Promise((resolve) => setTimeout(resolve, 4_000)) : undefined;
    await until('fenced', async () => fenced.length > 0, 6_000);
    expect(fenced).toEqual(['the heartbeat stood still for too long']);
  } finally {
    await gateway.stop();
  }
});

it('keeps them when one heartbeat hangs and the next one gets through', async () => {
  const clock = scaledClock(4);
  const gateway = await startGateway(systemClock, clock);
  try {
    const faults: Faults = {};
    const fenced: string[] = [];
    await gateway.host((why) => fenced.push(why), faults);
    let hangs = 0;
    faults.before = (command) =>
      command === 'UpdateItem' && ++hangs === 1 ? new Promise((resolve) => setTimeout(resolve, 4_000)) : undefined;
    const startedMs = clock.monotonicMs();
    await until('two leases long', async () => hangs > 0 && clock.monotonicMs() - startedMs > 14_000);
    expect(fenced).toEqual([]);
  } finally {
    await gateway.stop();
  }
});

describe('a host in trouble', () => {
  let gateway: Gateway;
  beforeEach(async () => {
    gateway = await startGateway(scaledClock(factor));
  });
  afterEach(() => gateway.stop());

  const status = (id: string, wanted: string) =>
    until(wanted, async () => (await gateway.readAccount(id))?.status === wanted);
  const completed = (id: string, timeoutMs = 60_000) =>
    until('completed', async () => (await gateway.readContract(id))?.status === 'COMPLETED', timeoutMs);

  it('lays aside a message that never leaves, sends the others, and does not reconnect without end', async () => {
    await gateway.host();
    const account = await gateway.account();
    let opened = 0;
    gateway.whenOpening(() => {
      opened += 1;
    });
    gateway.answerWith(({ to }) => (to === '79991000002' ? 'not_sent' : {}));
    const contract = await gateway.contract(account, rowsTo(5));
    await until('the others are sent', async () => gateway.wire.length === 4);
    await until('laid aside', async () => (await gateway.messages(contract))[1]?.state === 'PENDING');
    expect(opened).toBeLessThanOrEqual(6);
    expect((await gateway.messages(contract))[1]).toMatchObject({ attempts: 0, asides: 1 });
    gateway.answerWith(() => ({}));
    await completed(contract.id);
    expect(gateway.wire).toHaveLength(5);
  });

  it('does not say of a message without an answer that it was suppressed: it may have arrived before the person opted out', async () => {
    await gateway.host();
    const account = await gateway.account();
    gateway.answerWith(({ to }) => (to === '79991000002' ? 'silence' : {}));
    const contract = await gateway.contract(account, rowsTo(3));
    const second = async () => (await gateway.messages(contract))[1];
    await until('laid aside', async () => (await second())?.state === 'PENDING');
    const session = gateway.sessions.get(account.id);
    const message = { id: '3A01', type: 'text' as const, text: 'STOP', at: Date.now(), from: '79991000002' };
    await session?.listener.onInbound(message);
    const ended = await until('final', async () => ((await second())?.error === undefined ? undefined : second()));
    expect(ended).toMatchObject({ state: 'FAILED', error: { code: 'OUTCOME_UNKNOWN' } });
  });

  it('finds a claim that stood although its call failed, and sends that message', async () => {
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    const account = await gateway.account();
    await status(account.id, 'connected');
    let transactions = 0;
    faults.after = (command) => {
      // Claim and outcome of the first message, then the claim of the second.
      if (command === 'TransactWriteItems' && gateway.wire.length === 1 && ++transactions === 2) {
        throw new Error('the answer was lost');
      }
    };
    const contract = await gateway.contract(account, rowsTo(3));
    await completed(contract.id);
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SENT', 'SENT', 'SENT']);
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 3);
  });

  it('keeps its connections when reads of the table fail for a while', async () => {
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    const account = await gateway.account();
    await status(account.id, 'connected');
    const session = gateway.sessions.get(account.id);
    let reads = 0;
    faults.before = (command) => {
      if (command === 'BatchGetItem' && ++reads % 5 === 0) throw new Error('throttled');
    };
    const contract = await gateway.contract(account, rowsTo(20));
    await completed(contract.id);
    expect(gateway.sessions.get(account.id)).toBe(session);
    expect(gateway.wire).toHaveLength(20);
  });

  it.each([
    ['before', 4],
    ['after', 2],
  ] as const)(
    'keeps its connections when claims fail for a while, %s they stood (%i times), and sends each message once',
    async (when, times) => {
      const faults: Faults = {};
      await gateway.host(undefined, faults);
      const account = await gateway.account();
      await status(account.id, 'connected');
      const session = gateway.sessions.get(account.id);
      let failed = 0;
      faults[when] = (command) => {
        if (command !== 'TransactWriteItems' || gateway.wire.length < 3 || failed >= times) return;
        failed += 1;
        throw new Error('throttled');
      };
      const contract = await gateway.contract(account, rowsTo(20));
      await completed(contract.id);
      expect(failed).toBe(times);
      expect(gateway.sessions.get(account.id)).toBe(session);
      expect(gateway.wire.map(({ id }) => id).toSorted()).toEqual(
        (await gateway.messages(contract)).map(({ id }) => id).toSorted(),
      );
      await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 20);
    },
  );

  it('keeps its connections when the feed cannot be asked for more', async () => {
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    const account = await gateway.account();
    await status(account.id, 'connected');
    const session = gateway.sessions.get(account.id);
    let asked = 0;
    faults.before = (command) => {
      if (command === 'SendMessage' && ++asked <= 3) throw new Error('no answer');
    };
    const contract = await gateway.contract(account, rowsTo(70));
    await completed(contract.id);
    expect(gateway.sessions.get(account.id)).toBe(session);
    expect(gateway.wire).toHaveLength(70);
  });

  it('finds an account again whose claim stood although the call failed', async () => {
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    let lost = false;
    faults.before = (command) => {
      // The read-back after the claim: the account names this host, which does not know.
      if (command === 'GetItem' && lost === false) {
        lost = true;
        throw new Error('no answer');
      }
    };
    const account = await gateway.account();
    await status(account.id, 'connected');
    expect(lost).toBe(true);
  });

  it('leaves a logout that WhatsApp has not heard of to the next host', async () => {
    const first = await gateway.host();
    const account = await gateway.account();
    await status(account.id, 'connected');
    gateway.refuseWith(() => ({ code: 503, detail: 'test' }));
    gateway.sessions.get(account.id)?.end({ code: 503, detail: 'test' });
    await status(account.id, 'disconnected');
    const pair = await readAccount(gateway.deps.table, tenantId, account.id);
    if (pair === undefined) throw new Error('no such account');
    await setDesired(gateway.deps, gateway.origin(), pair, 'logged_out');
    await first.stop();
    gateway.refuseWith(undefined);
    await gateway.host();
    await status(account.id, 'logged_out');
  });

  it('leaves nothing PENDING in a contract that is canceled while an error ack is on its way', async () => {
    await gateway.host();
    const account = await gateway.account();
    gateway.answerWith(() => ({ code: 500 }));
    const contract = await gateway.contract(account, rowsTo(2));
    await until('one on the wire', async () => gateway.wire.length > 0);
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'cancel');
    await until('all final', async () => {
      const states = (await gateway.messages(contract)).map(({ state }) => state);
      return states.every((state) => state === 'CANCELED' || state === 'FAILED');
    });
    expect(await gateway.readHot(account.id)).toMatchObject({ queuedBulk: 0 });
  });
});
