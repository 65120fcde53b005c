import { describe, expect, it } from 'vitest';
import type { Table } from '../../../lib/aws/client/table.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import { EndingContracts } from '../../../socket-host/loop/ending-contracts.ts';
import { manualClock } from '../../harness/manual-clock.ts';

/** The last rows of a contract of `totalCount` are in the lane; `counter` is what its counter says when it is looked at. */
function lastOf(totalCount: number) {
  const clock = manualClock();
  const counter = { backlog: 0, sent: 0, delivered: 0, read: 0, failed: 0, canceled: 0, suppressed: 0, expired: 0 };
  let looks = 0;
  const table = {
    get: async () => {
      looks += 1;
      return { ...counter };
    },
    getMany: async (wanted: unknown[]) => {
      looks += 1;
      return wanted.map(() => ({ ...counter }));
    },
  } as unknown as Table;
  const contract = {
    id: 'con_1',
    tenantId: 'ten_1',
    accountIds: ['acc_1'],
    status: 'IN_PROGRESS',
    totalCount,
    pages: [{ key: 'page', rows: totalCount }],
    nextRow: totalCount,
  } as unknown as Contract;
  const ending = new EndingContracts(table, clock);
  /** One message more is sent and written; answers whether the contract was found complete. */
  const send = async (): Promise<boolean> => {
    counter.sent += 1;
    ending.sentOf(contract);
    await clock.advance(2_000);
    return ending.due && (await ending.anyComplete());
  };
  return { clock, counter, contract, ending, send, looks: () => looks };
}

describe('contracts near their end', () => {
  it('are looked at once to see how many are missing, and again when these are sent', async () => {
    const { send, looks } = lastOf(40);
    const complete: boolean[] = [];
    for (let sent = 0; sent < 40; sent++) complete.push(await send());
    expect(complete).toEqual([...Array(39).fill(false), true]);
    expect(looks()).toBe(2);
  });

  it('are looked at again when what was sent did not end them', async () => {
    const { send, counter, looks } = lastOf(3);
    expect(await send()).toBe(false);
    // The second one is refused and waits to be tried again.
    counter.sent -= 1;
    counter.backlog = 1;
    expect([await send(), await send()]).toEqual([false, false]);
    counter.backlog = 0;
    expect(await send()).toBe(true);
    expect(looks()).toBe(3);
  });

  it('are looked at every five minutes where messages may have ended in other ways', async () => {
    const { send, counter, clock, ending } = lastOf(4);
    expect(await send()).toBe(false);
    counter.canceled = 3;
    await clock.advance(290_000);
    expect(ending.due).toBe(false);
    await clock.advance(10_000);
    expect(ending.due && (await ending.anyComplete())).toBe(true);
  });

  it('are not those that have rows to be fed', () => {
    const { ending, contract } = lastOf(4);
    ending.sentOf({ ...contract, nextRow: 3 });
    expect(ending.due).toBe(false);
  });
});
