import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, oneAtATime, startGateway } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

describe('an account that cannot send any more', () => {
  let gateway: Gateway;
  let faults: Faults;
  beforeEach(async () => {
    faults = {};
    gateway = await startGateway(scaledClock(10));
    await gateway.host(undefined, faults);
  });
  afterEach(() => gateway.stop());

  const reaches = (id: string, status: Account['status']) =>
    until(status, async () => (await gateway.readAccount(id))?.status === status);

  /** Connected, with nothing left to be asked of the feed. */
  async function quiet(settings: Partial<Account> = {}): Promise<Account> {
    const account = await gateway.account(settings);
    await reaches(account.id, 'connected');
    await new Promise((resolve) => setTimeout(resolve, 500));
    return account;
  }

  const stops: [number, Account['status']][] = [
    [401, 'logged_out'],
    [402, 'restricted'],
    [403, 'banned'],
    [411, 'failed'],
  ];
  it.each(stops)(
    'after %i, which makes it %s, the feed is asked once, when the status is written',
    async (code, status) => {
      const account = await quiet();
      const asked: (string | undefined)[] = [];
      faults.before = async (command) => {
        if (command === 'SendMessage') asked.push((await gateway.readAccount(account.id))?.status);
      };
      gateway.sessions.get(account.id)?.end({ code, detail: 'test', expireSec: 3_600 });
      await until('asked', async () => asked.includes(status));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(asked.filter((then) => then === status)).toEqual([status]);
    },
  );

  it('stops all the same when the feed cannot be asked', async () => {
    const account = await quiet();
    faults.before = (command) => {
      if (command === 'SendMessage') throw new Error('no answer');
    };
    gateway.sessions.get(account.id)?.end({ code: 403, detail: 'test' });
    await reaches(account.id, 'banned');
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
    expect(await gateway.readAccount(account.id)).toMatchObject({ status: 'banned', statusReason: 'refused_403' });
  });

  it('keeps the message in hand through a restriction, and resolves it on the connection after', async () => {
    const account = await quiet(oneAtATime);
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1));
    await until('on the wire', async () => gateway.wire.length === 1);
    gateway.sessions.get(account.id)?.end({ code: 402, detail: 'test', expireSec: 15 });
    await reaches(account.id, 'restricted');
    expect((await gateway.messages(contract))[0]?.state).toBe('SENDING');
    gateway.answerWith(() => ({}));
    await until('sent', async () => (await gateway.messages(contract))[0]?.state === 'SENT');
    const [first, second] = gateway.wire;
    expect([first?.id, first?.text]).toEqual([second?.id, second?.text]);
    expect(gateway.wire).toHaveLength(2);
  });

  it('does not leave the message in hand open when it is banned', async () => {
    const account = await quiet(oneAtATime);
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1));
    await until('on the wire', async () => gateway.wire.length === 1);
    gateway.sessions.get(account.id)?.end({ code: 403, detail: 'test' });
    await reaches(account.id, 'banned');
    await until('resolved', async () => (await gateway.messages(contract))[0]?.state === 'FAILED');
    expect((await gateway.messages(contract))[0]).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
  });
});
