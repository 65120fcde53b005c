import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import { readForSend } from '../../lib/aws/messages/messages.ts';
import { planSuppression } from '../../lib/aws/people/suppressions.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { textContent } from '../../lib/domain/content.ts';
import type { Contract, ContractAction } from '../../lib/domain/contracts/contract.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { Admission, type Recipients, type Seen } from '../../lib/sending/admission.ts';
import { rowsTo } from '../factories.ts';
import { startFeedWorld, tenantId } from '../feed/feed-world.ts';

let world: Awaited<ReturnType<typeof startFeedWorld>>;
beforeAll(async () => {
  world = await startFeedWorld();
});
afterAll(() => world.stop());

const person = (lid: string) => ({ phoneNumber: `79990000${lid}`, lid });
const unknown: Recipients = { own: { phoneNumber: '79990000001' }, next: () => [] };

/** An owner's view of an account: each claim it tries is noted with its number of stops. */
function ownerOf(account: Account) {
  const tried: (number | undefined)[] = [];
  let nowMs = 0;
  const sender = {
    async claim([message]: readonly Message[], _pace: unknown, stops?: number) {
      if (message === undefined) throw new Error('nothing to claim');
      tried.push(stops);
      const result = await world.tryClaim(account, message, stops);
      if (result.kind === 'apart' || result.kind === 'changed') throw new Error(result.kind);
      return result;
    },
  };
  const deps = { table: world.table, clock: { ...systemClock, monotonicMs: () => nowMs } };
  const admission = new Admission(deps, sender, {});
  return {
    tried,
    pass: (ms: number) => {
      nowMs += ms;
    },
    async read(contract: Contract, row: number): Promise<{ message: Message; seen: Seen }> {
      const { stops } = admission;
      const m = (await world.messages(contract))[row]?.id ?? '';
      const [read] = await readForSend(world.table, [{ t: tenantId, a: account.id, m, c: contract.id }]);
      if (read?.message === undefined) throw new Error('not fed');
      return { message: read.message, seen: { running: read.running, stops } };
    },
    claim: ({ message, seen }: { message: Message; seen: Seen }, recipients = unknown) =>
      admission.claim(message, { sent: [] } as never, seen, recipients),
  };
}

async function fed(account: Account, count: number): Promise<Contract> {
  const contract = await world.contract(account, rowsTo(count));
  await world.drain();
  return contract;
}

describe('a queued message is claimed', () => {
  it('while its contract runs, with no call but the claim', async () => {
    const account = await world.account();
    const owner = ownerOf(account);
    const read = await owner.read(await fed(account, 1), 0);
    expect(await owner.claim(read)).toMatchObject({ kind: 'claimed', message: { state: 'SENDING' } });
    expect(owner.tried).toEqual([0]);
  });

  it.each([
    ['pause', 'PENDING'],
    ['cancel', 'CANCELED'],
    ['delete', 'CANCELED'],
  ] as [Extract<ContractAction, 'pause' | 'cancel' | 'delete'>, string][])(
    'not after a %s that came between reading and claim',
    async (action, to) => {
      const account = await world.account();
      const owner = ownerOf(account);
      const contract = await fed(account, 2);
      const read = await owner.read(contract, 0);
      await world.move(contract.id, action);
      // As if the move had not come to this message yet, so that nothing but the stop can refuse the claim.
      await world.putQueued(contract, 0, read.message);
      expect(await owner.claim(read)).toEqual({ kind: 'instead', to });
      expect(owner.tried).toEqual([0]);
    },
  );

  it('although another contract of the account was stopped, and goes by the new number from then on', async () => {
    const account = await world.account();
    const owner = ownerOf(account);
    const contract = await fed(account, 3);
    const other = await fed(account, 1);
    const reads = [await owner.read(contract, 0), await owner.read(contract, 1)];
    await world.move(other.id, 'pause');
    for (const read of reads) expect(await owner.claim(read)).toMatchObject({ kind: 'claimed' });
    expect(await owner.claim(await owner.read(contract, 2))).toMatchObject({ kind: 'claimed' });
    expect(owner.tried).toEqual([0, 1, 0, 1, 1]);
  });

  it('when its contract was resumed after it had been seen paused', async () => {
    const account = await world.account();
    const owner = ownerOf(account);
    const contract = await fed(account, 1);
    const read = await owner.read(contract, 0);
    await world.move(contract.id, 'pause');
    await world.move(contract.id, 'start');
    expect(await owner.claim({ ...read, seen: { running: false, stops: 0 } })).toMatchObject({ kind: 'claimed' });
    expect(owner.tried).toEqual([0, 1]);
  });
});

describe('somebody who opted out by LID alone', () => {
  const suppress = async (lid: string) => {
    const at = Date.now();
    const { writes } = await planSuppression(world.table, { tenantId, lid, reason: 'x', source: 'inbound', at });
    await world.table.transact({ writes });
  };

  it('is asked for with those who follow, and again when the answer is five seconds old', async () => {
    const account = await world.account();
    const owner = ownerOf(account);
    const contract = await fed(account, 4);
    const reads = await Promise.all([0, 1, 2, 3].map((row) => owner.read(contract, row)));
    const [first, second, third, fourth] = reads;
    if (!first || !second || !third || !fourth) throw new Error('not read');
    await suppress('601');
    expect(
      await owner.claim(first, { own: person('600'), next: () => ['601', '602', '603'].map(person) }),
    ).toMatchObject({
      kind: 'claimed',
    });
    expect(await owner.claim(second, { own: person('601'), next: () => ['602', '603'].map(person) })).toEqual({
      kind: 'instead',
      to: 'SUPPRESSED',
    });
    await suppress('602');
    await suppress('603');
    owner.pass(4_999);
    expect(await owner.claim(third, { own: person('602'), next: () => ['603'].map(person) })).toMatchObject({
      kind: 'claimed',
    });
    owner.pass(1);
    expect(await owner.claim(fourth, { own: person('603'), next: () => [] })).toEqual({
      kind: 'instead',
      to: 'SUPPRESSED',
    });
  });
});

describe('somebody whom an earlier version put on the list under one spelling', () => {
  /** As version 0.1 stored an opt-out. */
  async function storedEarlier(phoneNumber: string): Promise<void> {
    const at = 1_790_000_000_000;
    const recipient = { phoneNumber, suppressedAt: at, listedAs: phoneNumber, source: 'inbound' };
    const entry = { tenantId, phoneNumber, reason: 'The person asked for no more messages.', source: 'inbound', at };
    await world.table.transact({
      writes: [
        { put: { ...keys.recipient(tenantId, phoneNumber), type: 'recipient', ...recipient } },
        { put: { ...keys.suppression(tenantId, at, phoneNumber), type: 'suppression', ...entry } },
      ],
    });
  }

  it.each([
    ['554899120009', '5548999120009'],
    ['5548999120010', '554899120010'],
    ['5215512345678', '525512345678'],
    ['541123456789', '5491123456789'],
  ])('%s is not written to as %s, and is on the list under both from then on', async (stored, to) => {
    const account = await world.account();
    const owner = ownerOf(account);
    const contract = await world.contract(account, [{ to, content: textContent('x') }]);
    await world.drain();
    await storedEarlier(stored);
    const recipients = { own: { phoneNumber: to }, next: () => [] };
    expect(await owner.claim(await owner.read(contract, 0), recipients)).toEqual({ kind: 'instead', to: 'SUPPRESSED' });
    expect(owner.tried).toEqual([]);
    expect(await world.table.get(keys.recipient(tenantId, to))).toMatchObject({ listedAs: stored, source: 'inbound' });
    const another = ownerOf(account);
    expect(await another.claim(await another.read(contract, 0))).toEqual({ kind: 'instead', to: 'SUPPRESSED' });
    expect(another.tried).toEqual([0]);
  });
});
