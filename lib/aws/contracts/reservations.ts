import {
  type AccountCounter,
  accountsOf,
  type Contract,
  type OpenRange,
  openRangesOf,
} from '../../domain/contracts/contract.ts';
import { type Clause, present, type Table } from '../client/table.ts';
import { keys, queuedAttribute } from '../keys.ts';

/*
 * Rows pass to an account in two steps. `nextRow` of the contract says which rows have passed. `openFrom` and `openTo` of the account's counter
 * say which of them may still lack a message or an entry in the lane:
 *
 *   reserve   contract: nextRow moves on | counter: this range is open, fed rises | account: queued rises        one transaction
 *   close     counter: no range is open                                        when messages and lane entries are there
 *
 * A feed that finds a range of its account open finishes it first. In version 1 of this form the range was on the contract, from `openFrom` to
 * `nextRow`. Now the contract's `openFrom` follows `nextRow`, so that functions of that version see nothing open.
 */

/** Clause of the counter: no range of the account is open. */
const nothingOpen: Clause = {
  is: 'attribute_not_exists(openFrom)',
  held: (counter) => counter?.openFrom === undefined,
};

/**
 * Reserves rows `[contract.nextRow, to)` for an account; `valid` of them become messages. Returns the range. Returns undefined, and changes nothing,
 * when the contract does not run any more or another feed took rows first.
 */
export async function reserveRows(
  table: Table,
  contract: Contract,
  accountId: string,
  { to, valid, nowMs }: { to: number; valid: number; nowMs: number },
): Promise<OpenRange | undefined> {
  const { tenantId, id, nextRow: from, lane } = contract;
  const refused = await table.tryTransact({
    contract: {
      update: 'SET nextRow = :to, openFrom = :to, fedAt = :now ADD fedCount :n',
      key: keys.contract(tenantId, id),
      condition: {
        runs: '#s = :running',
        'no other feed took rows': 'nextRow = :from',
        'nothing is open in the earlier form': 'openFrom = :from',
      },
      names: { '#s': 'status' },
      values: { ':to': to, ':from': from, ':now': nowMs, ':n': valid, ':running': 'IN_PROGRESS' },
    },
    counter: {
      update: 'SET openFrom = :from, openTo = :to ADD fed :n',
      key: keys.counter(tenantId, id, accountId),
      condition: { present, nothingOpen },
      values: { ':from': from, ':to': to, ':n': valid },
    },
    account: {
      update: `ADD ${queuedAttribute[lane]} :n`,
      key: keys.accountHot(tenantId, accountId),
      condition: { present },
      values: { ':n': valid },
    },
  });
  return refused === undefined ? { accountId, from, to, on: 'counter' } : undefined;
}

/** Closes a range whose rows are all in the table and in the lane. Does nothing when a job that ended the contract has closed it. */
export async function closeRows(
  table: Table,
  contract: Contract,
  { accountId, from, to, on }: OpenRange,
): Promise<void> {
  const { tenantId, id } = contract;
  switch (on) {
    case 'counter':
      await table.tryUpdate(keys.counter(tenantId, id, accountId), {
        update: 'REMOVE openFrom, openTo',
        condition: { 'this range is open': 'openFrom = :from AND openTo = :to' },
        values: { ':from': from, ':to': to },
      });
      return;
    case 'contract':
      await table.tryUpdate(keys.contract(tenantId, id), {
        update: 'SET openFrom = :to',
        condition: { 'this range is open': 'openFrom = :from AND nextRow = :to' },
        values: { ':from': from, ':to': to },
      });
      return;
    default:
      on satisfies never;
  }
}

/** Returns the open ranges of each contract, in one read. The contracts must have been read before. */
export async function readOpenRanges(table: Table, contracts: readonly Contract[]): Promise<OpenRange[][]> {
  const wanted = contracts.map((contract) =>
    accountsOf(contract).map((a) => keys.counter(contract.tenantId, contract.id, a)),
  );
  const counters = await table.getMany<AccountCounter>(wanted.flat());
  return contracts.map((contract, index) => openRangesOf(contract, counters.splice(0, wanted[index]?.length)));
}
