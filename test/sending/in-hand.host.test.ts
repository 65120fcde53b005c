import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccount, setPaused } from '../../lib/aws/accounts/accounts.ts';
import { moveContract } from '../../lib/aws/contracts/contracts.ts';
import { wakeAccount } from '../../lib/aws/hosts/wake.ts';
import { keys } from '../../lib/aws/keys.ts';
import { planSuppression } from '../../lib/aws/people/suppressions.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { rowsTo } from '../factories.ts';
import { type Gateway, oneAtATime, startGateway, tenantId } from '../harness/gateway.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { until } from '../harness/until.ts';

let gateway: Gateway;
let account: Account;
beforeEach(async () => {
  gateway = await startGateway(scaledClock(20));
  await gateway.host();
  account = await gateway.account(oneAtATime);
  await reaches('connected');
});
afterEach(() => gateway.stop());

const reaches = (status: Account['status']) =>
  until(status, async () => (await gateway.readAccount(account.id))?.status === status);
const first = async (contract: Contract) => (await gateway.messages(contract))[0];
const becomes = (contract: Contract, state: string, timeoutMs = 60_000) =>
  until(state, async () => (await first(contract))?.state === state, timeoutMs);
const move = (contract: Contract, to: 'pause' | 'start' | 'cancel') =>
  moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, to);

/** In hand: tried once, with this result, and the connection was lost over it. */
async function inHand(answer: 'silence' | 'not_sent'): Promise<Contract> {
  let tried = 0;
  gateway.answerWith(() => {
    tried += 1;
    return answer;
  });
  const contract = await gateway.contract(account, rowsTo(1));
  await until('tried', async () => tried > 0);
  return contract;
}

/** As a transport does that learns, before a message leaves, whose number it is, and that they are on the list. */
async function optOut(phoneNumber: string): Promise<boolean> {
  const lid = '555000071';
  const person = { tenantId, phoneNumber, lid, reason: 'x', source: 'inbound' as const, at: Date.now() };
  const { writes } = await planSuppression(gateway.deps.table, person);
  await gateway.deps.table.transact({ writes });
  return true;
}

/** The next logins are refused with `code` until told otherwise; what is open ends with it. */
function refuse(code: number): void {
  const end = { code, detail: 'test', expireSec: 20 };
  gateway.refuseWith(() => end);
  gateway.sessions.get(account.id)?.end(end);
}

describe('a message in hand that has never left, when its account can send no more', () => {
  it.each([
    [401, 'logged_out'],
    [403, 'banned'],
  ] as const)('goes back to PENDING after %i, for it is known not to have been sent', async (code, status) => {
    const contract = await inHand('not_sent');
    refuse(code);
    await reaches(status);
    await becomes(contract, 'PENDING');
    expect(await first(contract)).toMatchObject({ attempts: 0 });
    expect((await first(contract))?.openSince).toBeUndefined();
  });

  it('is as good as sent once a later try has had no answer', async () => {
    const contract = await inHand('not_sent');
    gateway.answerWith(() => 'silence');
    await until('on the wire', async () => gateway.wire.length === 1);
    refuse(403);
    await reaches('banned');
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
  });
});

describe('a message in hand whose contract was stopped before it could be tried again', () => {
  /** Stopped in this way while the account is restricted, which lasts long enough. */
  async function stoppedMeanwhile(answer: 'silence' | 'not_sent', how: 'pause' | 'cancel'): Promise<Contract> {
    const contract = await inHand(answer);
    refuse(402);
    await reaches('restricted');
    gateway.refuseWith(undefined);
    gateway.answerWith(() => ({}));
    await move(contract, how);
    return contract;
  }

  it.each([
    ['silence', 'OUTCOME_UNKNOWN', 1],
    ['not_sent', 'REJECTED', 0],
  ] as const)('is not sent after a cancel: %s ends as %s', async (answer, code, onWire) => {
    const contract = await stoppedMeanwhile(answer, 'cancel');
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code } });
    await reaches('connected');
    expect(gateway.wire).toHaveLength(onWire);
  });

  it.each([
    ['silence', 1],
    ['not_sent', 0],
  ] as const)('waits through a pause and goes out under the same id afterwards: %s', async (answer, onWire) => {
    const contract = await stoppedMeanwhile(answer, 'pause');
    await becomes(contract, 'PENDING');
    expect((await first(contract))?.openSince !== undefined).toBe(answer === 'silence');
    expect(gateway.wire).toHaveLength(onWire);
    await move(contract, 'start');
    await becomes(contract, 'SENT');
    expect(gateway.wire.map(({ id }) => id)).toEqual(Array(onWire + 1).fill((await first(contract))?.id));
  });
});

describe('a message in hand without an answer whose account is paused', () => {
  it('waits, and goes out under the same id when the account is resumed', async () => {
    gateway.whenOpening(async () => {
      const pair = await readAccount(gateway.deps.table, tenantId, account.id);
      if (pair !== undefined) await setPaused(gateway.deps, gateway.origin(), pair, true);
      gateway.whenOpening(undefined);
    });
    const contract = await inHand('silence');
    await becomes(contract, 'PENDING');
    expect((await first(contract))?.openSince).toBeGreaterThan(0);
    expect(gateway.wire).toHaveLength(1);
    gateway.answerWith(() => ({}));
    const pair = await readAccount(gateway.deps.table, tenantId, account.id);
    if (pair !== undefined) await setPaused(gateway.deps, gateway.origin(), pair, false);
    await becomes(contract, 'SENT');
    expect(gateway.wire.map(({ id }) => id)).toEqual(Array(2).fill((await first(contract))?.id));
  });
});

describe('a message that was tried without an answer and then refused', () => {
  it('is FAILED with an unknown outcome: the first try may have arrived', async () => {
    const contract = await inHand('silence');
    gateway.answerWith(() => ({ code: 463 }));
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ attempts: 1, error: { code: 'OUTCOME_UNKNOWN' } });
  });

  it('keeps since when that is so while it waits for its next try', async () => {
    const contract = await inHand('silence');
    gateway.answerWith(() => ({ code: 429 }));
    await becomes(contract, 'PENDING');
    const message = await first(contract);
    expect(message).toMatchObject({ attempts: 1 });
    expect(message?.openSince).toBeGreaterThan(0);
    await move(contract, 'cancel');
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
  });

  it('is not called suppressed where the next try finds that the person has opted out by another address', async () => {
    gateway.whenOpening((session) => session.withhold(optOut));
    const contract = await inHand('silence');
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
    expect(gateway.wire).toHaveLength(1);
  });

  it('is not called "not on WhatsApp" where the number has left WhatsApp before the next try', async () => {
    gateway.whenOpening((session) => {
      session.lookup = async () => false;
    });
    const contract = await inHand('silence');
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
    expect(gateway.wire).toHaveLength(1);
  });

  it('but one that had never left before is refused for good', async () => {
    const contract = await inHand('not_sent');
    gateway.answerWith(() => ({ code: 463 }));
    await becomes(contract, 'FAILED');
    expect(await first(contract)).toMatchObject({ error: { code: 'REACHOUT_RESTRICTED' } });
  });
});

it('what was laid aside without an answer is not sent by a device linked since', async () => {
  const contract = await inHand('silence');
  await becomes(contract, 'PENDING');
  const tries = gateway.wire.length;
  gateway.answerWith(() => ({}));
  await gateway.deps.table.update(keys.account(tenantId, account.id), {
    update: 'SET linkedAt = :now',
    values: { ':now': ((await first(contract))?.openSince ?? 0) + 1 },
  });
  await wakeAccount(gateway.deps, tenantId, account.id);
  await becomes(contract, 'FAILED');
  expect(await first(contract)).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } });
  expect(gateway.wire).toHaveLength(tries);
});
