import { expect, it } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { contractView } from '../../../lib/domain/contracts/view.ts';
import { emptyCounter } from '../../../lib/domain/messages/counter.ts';
import { accountId, newContract, tenantId } from '../../factories.ts';

const day = 24 * 3_600_000;
const now = Date.UTC(2026, 10, 30, 12);

it('a contract of a number that is linked anew is estimated by the warm-up that goes on, not by a new one', () => {
  const contract = newContract(
    { id: accountId, tenantId },
    { status: 'IN_PROGRESS', totalCount: 400, nextRow: 400, openFrom: 400, fedCount: 400, createdAt: now },
  );
  const account = {
    status: 'connected',
    desired: 'connected',
    useLimits: true,
    pacing: {},
    linkedAt: now,
    pacedSince: now - 60 * day,
    createdAt: now - 60 * day,
  } as unknown as Account;
  const hot = { pace: { day: 60, dayCount: 0, nextAt: 0, sinceRest: 0 } };
  const { estimatedEndAt } = contractView(contract, emptyCounter, { account, hot } as never, now);
  // 400 sends of 20.5 s each; a new warm-up would take days.
  expect(estimatedEndAt).toBe(new Date(now + 400 * 20_500).toISOString());
});
