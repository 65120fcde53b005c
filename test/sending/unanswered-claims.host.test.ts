import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { moveContract } from '../../lib/aws/contracts/contracts.ts';
import { rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { until } from '../harness/until.ts';

describe('a message that must be sent again', () => {
  const faults: Faults = {};
  let gateway: Gateway;
  beforeEach(async () => {
    delete faults.before;
    delete faults.after;
    gateway = await startGateway(scaledClock(5));
    await gateway.host(undefined, faults);
  });
  afterEach(() => gateway.stop());

  it.each(['before', 'after'] as const)('is sent again although its new claim fails %s it stood', async (when) => {
    const gapMs: [number, number] = [8_000, 8_000];
    const pacing = { perMinute: null, gapMs, restEvery: null, delayMs: [0, 0] as [number, number] };
    const account = await gateway.account({ useLimits: true, pacing });
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1));
    await until('one is on the wire', async () => gateway.wire.length === 1);
    gateway.answerWith(() => ({}));
    const lost = gateway.sessions.get(account.id);
    lost?.end({ code: 428, detail: 'the connection was lost' });
    await until('a new connection', async () => {
      const opened = gateway.sessions.get(account.id) !== lost;
      return opened && (await gateway.readAccount(account.id))?.status === 'connected';
    });
    // The next transaction is the claim: a gap after the connection was opened, less a second of typing.
    let failed = false;
    faults[when] = (command) => {
      if (command !== 'TransactWriteItems' || failed) return;
      failed = true;
      throw new Error('no answer');
    };
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED', 12_000);
    expect(failed).toBe(true);
    const [message] = await gateway.messages(contract);
    expect(message?.state).toBe('SENT');
    expect(gateway.wire.map(({ id }) => id)).toEqual([message?.id, message?.id]);
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 1, 3_000);
  });

  it('takes its receipt, although this host has seen it fail before', async () => {
    // Refused at both of its attempts: a 463 would hold the retry back as well.
    gateway.answerWith(() => ({ code: 479 }));
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(1));
    const statusIs = async (status: string) => (await gateway.readContract(contract.id))?.status === status;
    await until('failed', () => statusIs('FAILED'));
    gateway.answerWith(() => 'silence');
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'retry');
    await until('sent again', async () => gateway.wire.length === 3);
    const listener = gateway.sessions.get(account.id)?.listener;
    const { id: sentId = '', to = '' } = gateway.wire[0] ?? {};
    await listener?.onReceipt({ messageId: sentId, kind: 'delivered', at: Date.now(), from: [to] });
    expect((await gateway.messages(contract))[0]?.state).toBe('DELIVERED');
  });
});
