import { describe, expect, it } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { heldUntil, isDue, withHoldWarning } from '../../../lib/domain/accounts/first-contacts.ts';
import { initialPace } from '../../../lib/domain/accounts/pacing.ts';
import type { ContractState } from '../../../lib/domain/contracts/contract.ts';
import { contractView } from '../../../lib/domain/contracts/view.ts';
import { emptyCounter } from '../../../lib/domain/messages/counter.ts';
import { asideMs, classifyAck, longestRetryMs } from '../../../lib/domain/messages/send-outcome.ts';
import { accountId, newContract, tenantId } from '../../factories.ts';

const now = Date.UTC(2026, 10, 30, 12);
const hour = 3_600_000;

it.each([
  ['the time WhatsApp names', now + hour, now + hour],
  ['a day where it names none', undefined, now + 24 * hour],
  ['a day where that time is over', now - hour, now + 24 * hour],
  ['a day where it is no time', Number.NaN, now + 24 * hour],
  ['a month at most', Date.UTC(9999, 0, 1), now + 720 * hour],
])('first contacts are held until %s', (_what, named, expected) => {
  expect(heldUntil(named, now)).toBe(expected);
});

it.each([
  ['that is over', now, now + 5 * hour, true],
  ['of a retry', now + hour, undefined, false],
  ['of a retry, in a hold', now + hour, now + 5 * hour, false],
  ['of a hold', now + 5 * hour, now + 5 * hour, false],
  ['of a hold that has ended early', now + 5 * hour, undefined, true],
  ['of a hold that would be over', now + 5 * hour, now - 1, true],
])('a time %s: %i, held until %i, is due: %s', (_what, notBefore, held, expected) => {
  expect(isDue(notBefore, held, now)).toBe(expected);
});

it('no retry waits as long as what counts as held', () => {
  const waits = [400, 419, 429, 479, 500].flatMap((code) =>
    Array.from({ length: 8 }, (_, attempts) => {
      const outcome = classifyAck(code, attempts, now, () => 0.999);
      return outcome.kind === 'retry' ? outcome.notBefore - now : 0;
    }),
  );
  expect(Math.max(...waits, asideMs(100))).toBe(1_979_820);
  expect(longestRetryMs).toBe(3_600_000);
});

it('an account has one warning of it, the newest, and none when it is over', () => {
  const held = withHoldWarning(withHoldWarning(['Another.'], now), now + hour);
  expect(held).toEqual([
    'Another.',
    'WhatsApp refuses messages of this account to people it has no chat with (463): such messages wait until 2026-11-30T13:00:00.000Z and are tried again then; all others are sent.',
  ]);
  expect(withHoldWarning(held, undefined)).toEqual(['Another.']);
});

describe('a contract', () => {
  const contract = newContract(
    { id: accountId, tenantId },
    { totalCount: 3, nextRow: 3, openFrom: 3, fedCount: 3, createdAt: now },
  );
  const account = { status: 'connected', desired: 'connected', pacing: {}, useLimits: false } as unknown as Account;
  const shown = (status: ContractState, backlog: number, heldUntilMs: number) => {
    const hot = { pace: initialPace };
    const pair = { account: { ...account, firstContactsHeldUntil: heldUntilMs }, hot };
    const counter = { ...emptyCounter, sent: 1, backlog };
    const { reason, estimatedEndAt } = contractView({ ...contract, status }, counter, pair, now);
    return [reason, estimatedEndAt === null];
  };
  const why =
    'Waiting: WhatsApp refuses messages to people the account has no chat with (463) until 2026-11-30T13:00:00.000Z; they are tried again then.';

  it.each<[string, ContractState, number, number, (string | null | boolean)[]]>([
    ['of which nothing but held messages is left', 'IN_PROGRESS', 2, now + hour, [why, true]],
    ['of which one is in its lane', 'IN_PROGRESS', 1, now + hour, [null, false]],
    ['whose hold is over', 'IN_PROGRESS', 2, now, [null, false]],
    ['that is paused', 'PAUSED', 2, now + hour, [null, true]],
    ['that was canceled', 'CANCELED', 2, now + hour, [null, true]],
  ])('%s says what it waits for, and when it ends if that is known', (_what, status, backlog, until, expected) => {
    expect(shown(status, backlog, until)).toEqual(expected);
  });
});
