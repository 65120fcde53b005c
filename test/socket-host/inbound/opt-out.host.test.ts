import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { openConfirmations } from '../../../lib/aws/inbound/confirmations.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { readSent } from '../../../lib/aws/messages/messages.ts';
import {
  addSuppression,
  extendSuppression,
  listSuppressions,
  planRelease,
  planSuppression,
  readSuppression,
  removeSuppression,
} from '../../../lib/aws/people/suppressions.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { derivedMessageId } from '../../../lib/domain/ids.ts';
import type { InboundMessage } from '../../../lib/domain/inbound/inbound.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import type { RunningHost } from '../../../socket-host/host/host.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

/** Two messages a second, one in hand at a time. */
const paced = {
  useLimits: true,
  pacing: {
    perMinute: null,
    gapMs: [500, 500] as [number, number],
    restEvery: null,
    delayMs: [0, 0] as [number, number],
  },
};
const english = 'You will receive no more messages from us. Reply START to receive them again.';

let gateway: Gateway;
let host: RunningHost;
const faults: Faults = {};
beforeAll(async () => {
  gateway = await startGateway(systemClock);
  host = await gateway.host(undefined, faults);
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.wire.length = 0;
  gateway.answerWith(() => ({}));
});

let written = 0;
const says = (account: Account, text: string, from: Partial<InboundMessage> = {}) => {
  written += 1;
  const message = { id: `3A${written}`, type: 'text' as const, text, at: Date.now(), from: '79991000001', ...from };
  return gateway.sessions.get(account.id)?.listener.onInbound(message);
};
const connected = (account: Account) =>
  until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
const to = (number: string, count: number) => rowsTo(count).map(({ content }) => ({ to: number, content }));
const wireOf = (account: Account) => gateway.wire.filter((sent) => sent.account === account.id).map(({ text }) => text);
const toOf = (account: Account) => gateway.wire.filter((sent) => sent.account === account.id).map((sent) => sent.to);
const idsOf = (account: Account) => gateway.wire.filter((sent) => sent.account === account.id).map(({ id }) => id);
const confirmationsOf = (account: Account) =>
  openConfirmations(gateway.deps.table, { tenantId, accountId: account.id });

describe('STOP in the middle of a contract', () => {
  it('ends what was fed but not claimed as SUPPRESSED; the others get theirs', async () => {
    const account = await gateway.account(paced);
    const contract = await gateway.contract(account, [...to('79991000001', 4), ...to('79991000003', 1)]);
    await until('the first is out', async () => gateway.wire.some((sent) => sent.to === '79991000001'), 10_000, 5);
    // The next, to either of them, is in hand by now and waits for its gap.
    await says(account, 'stop!', { fromLid: '555000001' });
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const messages = await gateway.messages(contract);
    const states = messages.map(({ state }) => state);
    expect(states.toSpliced(1, 1)).toEqual(['SENT', 'SUPPRESSED', 'SUPPRESSED', 'SENT']);
    expect(['SENT', 'SUPPRESSED']).toContain(states[1]);
    expect(messages[2]).toMatchObject({ error: { code: 'OPTED_OUT' }, attempts: 0 });
    await until('confirmed', async () => wireOf(account).includes(english));
    const sent = states[1] === 'SENT' ? 3 : 2;
    expect(wireOf(account)).toHaveLength(sent + 1);
    expect(await gateway.deps.table.get(keys.counter(tenantId, contract.id, account.id))).toMatchObject({
      suppressed: 5 - sent,
      sent,
      failed: 0,
    });
  });

  it('holds for all accounts of the tenant', async () => {
    const [told, other] = [await gateway.account(), await gateway.account()];
    await Promise.all([connected(told), connected(other)]);
    await says(told, 'СТОП', { from: '79991000010' });
    const contract = await gateway.contract(other, to('79991000010', 2));
    await until('ended', async () => (await gateway.readContract(contract.id))?.status !== 'IN_PROGRESS');
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SUPPRESSED', 'SUPPRESSED']);
    expect(wireOf(other)).toEqual([]);
  });
});

describe('who opted out', () => {
  it('is on the list by number and LID, is told once in the language of the word, and START undoes it', async () => {
    const account = await gateway.account();
    await connected(account);
    const person = { from: '79991000020', fromLid: '555000020' };
    await says(account, 'Stopp.', person);
    await says(account, 'STOP', person);
    await until('confirmed', async () => wireOf(account).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(wireOf(account)).toEqual([
      'Sie erhalten keine Nachrichten mehr von uns. Antworten Sie START, um sie wieder zu erhalten.',
    ]);
    expect(await confirmationsOf(account)).toEqual([]);
    // Its recipient's device may ask for it again, at this account.
    const [id = ''] = idsOf(account);
    const sent = await readSent(gateway.deps.table, tenantId, account.id, id);
    expect(sent).toMatchObject({
      to: '79991000020',
      content: { type: 'text', text: expect.stringMatching(/^Sie erhalten/) },
    });
    expect(await readSent(gateway.deps.table, tenantId, 'acc_other', id)).toBeUndefined();
    for (const who of [{ phoneNumber: '79991000020' }, { lid: '555000020' }]) {
      expect(await readSuppression(gateway.deps.table, tenantId, who)).toMatchObject({
        phoneNumber: '79991000020',
        lid: '555000020',
        source: 'inbound',
        accountId: account.id,
      });
    }
    await says(account, 'start', person);
    for (const who of [{ phoneNumber: '79991000020' }, { lid: '555000020' }]) {
      expect(await readSuppression(gateway.deps.table, tenantId, who)).toBeUndefined();
    }
    const { items } = await listSuppressions(gateway.deps.table, tenantId, { limit: 1000 });
    expect(items.filter(({ lid }) => lid === '555000020')).toEqual([]);
    const contract = await gateway.contract(account, to('79991000020', 1));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(wireOf(account)).toHaveLength(2);
  });

  it('is told under an id that does not follow from what the person knows', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'STOP', { from: '79991000025', id: '3AKNOWN' });
    await until('confirmed', async () => idsOf(account).length > 0);
    expect(idsOf(account)[0]).toMatch(/^msg_[0-9A-F]{18}$/);
    // As versions before derived it.
    expect(idsOf(account)).not.toContain(derivedMessageId(`opt-out#${account.id}#3AKNOWN`));
  });

  it('stays on the list if the tenant had put the number there', async () => {
    const account = await gateway.account();
    await connected(account);
    const suppression = { tenantId, phoneNumber: '79991000030', reason: 'x', source: 'api' as const, at: Date.now() };
    await addSuppression(gateway.deps, gateway.origin(), suppression);
    await says(account, 'START', { from: '79991000030' });
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '79991000030' })).toMatchObject({
      source: 'api',
    });
  });

  it('does not stay off the list when it is taken off while the word is being stored again', async () => {
    const account = await gateway.account({ optOutReply: false });
    await connected(account);
    const person = { phoneNumber: '79991000034', lid: '555000034' };
    await says(account, 'STOP', { from: person.phoneNumber, fromLid: person.lid });
    const again = { tenantId, ...person, reason: 'x', source: 'inbound' as const, at: Date.now() };
    const { isNew, writes } = await planSuppression(gateway.deps.table, again);
    expect(isNew).toBe(false);
    await removeSuppression(gateway.deps, gateway.origin(), person);
    expect((await gateway.deps.table.tryTransact({ writes }))?.by('writes')).toBe(true);
  });

  it('does not stay on the list under an address that is learnt while START is being stored', async () => {
    const account = await gateway.account({ optOutReply: false });
    await connected(account);
    const person = { phoneNumber: '79991000035', lid: '555000035' };
    await says(account, 'STOP', { from: person.lid, fromLid: person.lid });
    const { writes } = await planRelease(gateway.deps.table, tenantId, { lid: person.lid }, 'inbound');
    expect(await extendSuppression(gateway.deps.table, tenantId, person)).toBe(true);
    expect((await gateway.deps.table.tryTransact({ writes }))?.by('writes')).toBe(true);
    await says(account, 'START', { from: person.lid, fromLid: person.lid });
    expect(await readSuppression(gateway.deps.table, tenantId, person)).toBeUndefined();
  });

  it('is not told by an account that is not to', async () => {
    const account = await gateway.account({ optOutReply: false });
    await connected(account);
    await says(account, 'STOP', { from: '79991000031' });
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '79991000031' })).toBeDefined();
    expect(await confirmationsOf(account)).toEqual([]);
  });

  it('is not anybody who only uses the word', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'Please do not stop', { from: '79991000032' });
    await says(account, 'STOP', { from: '79991000032', type: 'image' });
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '79991000032' })).toBeUndefined();
  });

  it('is on the list only if the message is stored: both or neither', async () => {
    const account = await gateway.account();
    await connected(account);
    faults.before = (command) => {
      if (command === 'TransactWriteItems') throw new Error('the table is away');
    };
    await expect(says(account, 'STOP', { from: '79991000033' })).rejects.toThrow('the table is away');
    faults.before = undefined;
    const person = { phoneNumber: '79991000033' };
    expect(await readSuppression(gateway.deps.table, tenantId, person)).toBeUndefined();
    expect(await gateway.deps.table.get(keys.inbound(tenantId, account.id, `3A${written}`))).toBeUndefined();
    written -= 1;
    await says(account, 'STOP', { from: '79991000033' });
    expect(await readSuppression(gateway.deps.table, tenantId, person)).toBeDefined();
  });
});

describe('the answer to an opt-out', () => {
  it('goes out with the same id and text once more on the next connection when nobody said whether it arrived, and then never again', async () => {
    const account = await gateway.account();
    await connected(account);
    const ids = () => idsOf(account);
    gateway.answerWith(() => 'silence');
    await says(account, 'STOP', { from: '79991000040' });
    for (const count of [1, 2]) {
      await until(`${count} on the wire`, async () => ids().length === count);
      gateway.sessions.get(account.id)?.end({ code: 428, detail: 'lost' });
      await until('connected again', async () => {
        const now = await gateway.readAccount(account.id);
        return now?.status === 'connected' && (now.statusSince ?? 0) > Date.now() - 5000;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(ids()).toHaveLength(2);
    expect(new Set(ids()).size).toBe(1);
  });

  it('is given by the next owner if the first one died before, and the person stays suppressed', async () => {
    const account = await gateway.account();
    await connected(account);
    // It dies within the half second it waits before it answers.
    await says(account, 'STOP', { from: '79991000041' });
    const session = gateway.sessions.get(account.id);
    await orphanAccounts(gateway.deps.table, host.id);
    await until('owned anew', async () => gateway.sessions.get(account.id) !== session);
    await until('confirmed', async () => wireOf(account).includes(english));
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '79991000041' })).toBeDefined();
    expect(new Set(idsOf(account)).size).toBe(1);
  });
});

describe('somebody known by LID alone', () => {
  it('is not written to by number either, as soon as an account knows whose LID it is', async () => {
    const [told, other] = [await gateway.account(), await gateway.account()];
    await Promise.all([connected(told), connected(other)]);
    await says(told, 'STOP', { from: '555000050', fromLid: '555000050' });
    expect(await readSuppression(gateway.deps.table, tenantId, { lid: '555000050' })).toEqual(
      expect.not.objectContaining({ phoneNumber: expect.anything() }),
    );
    gateway.lids.set('79991000050', '555000050');
    const contract = await gateway.contract(other, to('79991000050', 1));
    await until('ended', async () => (await gateway.readContract(contract.id))?.status !== 'IN_PROGRESS');
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SUPPRESSED']);
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '79991000050' })).toBeDefined();
    expect(wireOf(other)).toEqual([]);
  });

  it('is not written to when the first message is what shows whose LID it is', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'STOP', { from: '555000051', fromLid: '555000051' });
    const session = gateway.sessions.get(account.id);
    const allowed: boolean[] = [];
    session?.withhold(async (number) => {
      const learnt = await session.listener.onAddressesLearnt({ phoneNumber: number, lid: '555000051' });
      allowed.push(learnt);
      return !learnt;
    });
    const contract = await gateway.contract(account, to('79991000051', 1));
    await until('ended', async () => (await gateway.readContract(contract.id))?.status !== 'IN_PROGRESS');
    expect(await gateway.messages(contract)).toMatchObject([{ state: 'SUPPRESSED', attempts: 0 }]);
    expect(allowed).toEqual([false]);
    expect(wireOf(account)).toEqual([]);
  });
});

describe('a person with two spellings of one number', () => {
  let account: Account;
  beforeAll(async () => {
    account = await gateway.account();
    await connected(account);
  });
  const isListed = async (who: { phoneNumber?: string; lid?: string }) =>
    (await readSuppression(gateway.deps.table, tenantId, who)) !== undefined;
  const entriesOf = async (number: string) => {
    const { items } = await listSuppressions(gateway.deps.table, tenantId, { limit: 1000 });
    return items.filter(({ phoneNumber }) => phoneNumber === number);
  };

  it.each([
    ['554899120009', '5548999120009', '555000061'],
    ['5548999120010', '554899120010', '555000062'],
    ['5215512345678', '525512345678', '555000063'],
    ['525512345679', '5215512345679', '555000064'],
    ['5491123456789', '541123456789', '555000065'],
    ['541123456780', '5491123456780', '555000066'],
  ])('%s writes STOP: nothing goes to %s; START under the other one undoes both', async (from, other, fromLid) => {
    await says(account, 'STOP', { from, fromLid });
    const contract = await gateway.contract(account, [...to(from, 1), ...to(other, 1)]);
    await until('ended', async () => (await gateway.readContract(contract.id))?.status !== 'IN_PROGRESS');
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SUPPRESSED', 'SUPPRESSED']);
    expect(await entriesOf(from)).toMatchObject([{ phoneNumber: from, lid: fromLid, source: 'inbound' }]);
    expect(await entriesOf(other)).toEqual([]);
    await until('confirmed', async () => gateway.wire.some((sent) => sent.to === from));
    expect(gateway.wire.filter((sent) => sent.account === account.id).map((sent) => sent.to)).toEqual([from]);
    await says(account, 'START', { from: other, fromLid });
    for (const who of [{ phoneNumber: from }, { phoneNumber: other }, { lid: fromLid }]) {
      expect(await isListed(who)).toBe(false);
    }
    expect(await entriesOf(from)).toEqual([]);
  });

  it('is not told of an opt-out that was taken back under the other spelling before it was said', async () => {
    await says(account, 'STOP', { from: '554899120071' });
    await says(account, 'START', { from: '5548999120071' });
    expect(await confirmationsOf(account)).toEqual([]);
    await says(account, 'STOP', { from: '79991000071' });
    await until('the next is told', async () => toOf(account).length > 0);
    expect(toOf(account)).toEqual(['79991000071']);
  });
});

describe('somebody whose number is learnt after the word', () => {
  const lid = '555000081';
  const numbers = ['554899120081', '5548999120081'];
  const learn = (account: Account, phoneNumber: string) =>
    gateway.sessions.get(account.id)?.listener.onAddressesLearnt({ phoneNumber, lid });
  const listed = (who: { phoneNumber?: string; lid?: string }) => readSuppression(gateway.deps.table, tenantId, who);

  it('is listed once, with the number, under every address; taken off by LID, under none', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'STOP', { from: lid, fromLid: lid });
    expect(await learn(account, '5548999120081')).toBe(false);
    for (const phoneNumber of numbers) {
      expect(await listed({ phoneNumber })).toMatchObject({ phoneNumber: '5548999120081', lid });
    }
    const { items } = await listSuppressions(gateway.deps.table, tenantId, { limit: 1000 });
    expect(items.filter((item) => item.lid === lid)).toHaveLength(1);
    expect(await removeSuppression(gateway.deps, gateway.origin(), { lid })).toBe(true);
    for (const phoneNumber of numbers) expect(await listed({ phoneNumber })).toBeUndefined();
    expect(await learn(account, '5548999120081')).toBe(true);
  });

  it('is taken off with every number that was learnt, by START under one of them', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'STOP', { from: lid, fromLid: lid });
    expect(await learn(account, '5548999120081')).toBe(false);
    expect(await learn(account, '79991000081')).toBe(false);
    await says(account, 'START', { from: '79991000081', fromLid: lid });
    for (const phoneNumber of [...numbers, '79991000081']) expect(await listed({ phoneNumber })).toBeUndefined();
    expect(await listed({ lid })).toBeUndefined();
  });

  it('is told by the second STOP, which comes with the number', async () => {
    const account = await gateway.account();
    await connected(account);
    await says(account, 'STOP', { from: lid, fromLid: lid });
    await says(account, 'STOP', { from: '554899120081', fromLid: lid });
    await until('told', async () => wireOf(account).includes(english));
    const { items } = await listSuppressions(gateway.deps.table, tenantId, { limit: 1000 });
    expect(items.filter((item) => item.lid === lid)).toMatchObject([{ phoneNumber: '554899120081' }]);
  });
});

describe('an item that an earlier version left without its list entry', () => {
  const at = 1_790_000_000_000;
  const recipient = { phoneNumber: '554899120091', suppressedAt: at, listedAs: 'lid:555000091', source: 'inbound' };
  const put = () =>
    gateway.deps.table.transact({
      writes: [{ put: { ...keys.recipient(tenantId, '554899120091'), type: 'recipient', ...recipient } }],
    });

  it('is shown, and goes with a removal or START under the other spelling', async () => {
    const account = await gateway.account();
    await connected(account);
    await put();
    const other = { phoneNumber: '5548999120091' };
    expect(await readSuppression(gateway.deps.table, tenantId, other)).toEqual({
      tenantId,
      phoneNumber: '554899120091',
      reason: 'The person asked for no more messages.',
      source: 'inbound',
      at,
    });
    expect(await removeSuppression(gateway.deps, gateway.origin(), other)).toBe(true);
    await put();
    await says(account, 'START', { from: '5548999120091' });
    expect(await readSuppression(gateway.deps.table, tenantId, { phoneNumber: '554899120091' })).toBeUndefined();
  });

  it('is listed again with the next STOP', async () => {
    const account = await gateway.account();
    await connected(account);
    await put();
    await says(account, 'STOP', { from: '5548999120091' });
    const { items } = await listSuppressions(gateway.deps.table, tenantId, { limit: 1000 });
    expect(items.filter((item) => item.phoneNumber === '5548999120091')).toMatchObject([{ source: 'inbound', at }]);
  });
});

describe('somebody whom WhatsApp knows by another number', () => {
  it('is not written to while that one is on the list', async () => {
    const account = await gateway.account();
    await connected(account);
    for (const phoneNumber of ['79991000061', '79991000063']) {
      const suppression = { tenantId, phoneNumber, reason: 'x', source: 'api' as const, at: Date.now() };
      await addSuppression(gateway.deps, gateway.origin(), suppression);
    }
    // Known from an earlier message, or told by the lookup for this one.
    gateway.otherNumbers.set('79991000060', '79991000061');
    const session = gateway.sessions.get(account.id);
    session?.withhold(async (phoneNumber) => {
      const person = { phoneNumber, otherNumber: '79991000063', lid: '555000062' };
      return !(await session.listener.onAddressesLearnt(person));
    });
    const contract = await gateway.contract(account, [...to('79991000060', 1), ...to('79991000062', 1)]);
    await until('ended', async () => (await gateway.readContract(contract.id))?.status !== 'IN_PROGRESS');
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SUPPRESSED', 'SUPPRESSED']);
    expect(wireOf(account)).toEqual([]);
    // Taken off the list under the number that was put there, the person is off it under all.
    await removeSuppression(gateway.deps, gateway.origin(), { phoneNumber: '79991000063' });
    for (const who of [{ phoneNumber: '79991000062' }, { lid: '555000062' }])
      expect(await readSuppression(gateway.deps.table, tenantId, who)).toBeUndefined();
  });
});
