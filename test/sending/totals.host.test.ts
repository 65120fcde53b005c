import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningHost } from '../../socket-host/host/host.ts';
import { rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway } from '../harness/gateway.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { until } from '../harness/until.ts';

describe("an account's totals count each outcome once", () => {
  let gateway: Gateway;
  beforeEach(async () => {
    gateway = await startGateway(scaledClock(5));
  });
  afterEach(() => gateway.stop());

  const completed = (id: string) =>
    until('completed', async () => (await gateway.readContract(id))?.status === 'COMPLETED');
  const totals = async (id: string) => (await gateway.readHot(id))?.messageCount;

  it('that of a message resolved by a receipt while it waited to be sent again', async () => {
    await gateway.host();
    const gapMs: [number, number] = [8_000, 8_000];
    const pacing = { perMinute: null, gapMs, restEvery: null, delayMs: [0, 0] as [number, number] };
    const account = await gateway.account({ useLimits: true, pacing });
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(2));
    await until('one is on the wire', async () => gateway.wire.length === 1);
    gateway.answerWith(() => ({}));
    const lost = gateway.sessions.get(account.id);
    lost?.end({ code: 428, detail: 'the connection was lost' });
    const session = await until('a new connection', async () => {
      const now = gateway.sessions.get(account.id);
      return now !== lost && (await gateway.readAccount(account.id))?.status === 'connected' ? now : undefined;
    });
    // It is due again a gap after the connection was opened, less a second of typing.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { id = '', to = '' } = gateway.wire[0] ?? {};
    session.listener.onReceipt({ messageId: id, kind: 'delivered', at: Date.now(), from: [to] });
    await completed(contract.id);
    expect(gateway.wire).toHaveLength(2);
    await until('totals', async () => (await totals(account.id)) === 2, 3_000);
  });

  it('also when the answer to writing them never came', async () => {
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    const account = await gateway.account();
    let lost = 0;
    faults.after = async (command) => {
      if (command !== 'TransactWriteItems' || lost > 0 || (await totals(account.id)) !== 1) return;
      lost += 1;
      throw new Error('no answer');
    };
    const contract = await gateway.contract(account, rowsTo(1));
    await completed(contract.id);
    await until('an answer is lost', async () => lost === 1, 5_000);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await totals(account.id)).toBe(1);
  });

  it('also when the account is given up after a claim whose answer never came', async () => {
    const faults: Faults = {};
    const host = await gateway.host(undefined, faults);
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(12));
    const stopping = Promise.withResolvers<RunningHost>();
    faults.after = (command) => {
      if (command !== 'TransactWriteItems' || gateway.wire.length < 3) return;
      delete faults.after;
      void host.stop().then(() => stopping.resolve(host));
      throw new Error('no answer');
    };
    await stopping.promise;
    expect(gateway.wire.length).toBeLessThan(12);
    await gateway.host();
    await completed(contract.id);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await totals(account.id)).toBe(12);
    expect(new Set(gateway.wire.map(({ id }) => id)).size).toBe(12);
  });
});
