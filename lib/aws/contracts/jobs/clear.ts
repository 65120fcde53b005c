import type { Contract } from '../../../domain/contracts/contract.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { ConditionFailed, type Table, type Write } from '../../client/table.ts';
import { keys } from '../../keys.ts';
import { type HeldJob, JobReplaced, stillHeld } from './held.ts';

/** With counter, contract and job a transaction stays within 100 writes. */
const clearedAtOnce = 96;

/** The failures of these rows leave counter and total, up to 96 in one transaction. Throws JobReplaced. */
export async function clearRows(
  table: Table,
  contract: Contract,
  held: HeldJob,
  messages: (Message | undefined)[],
): Promise<void> {
  let failed = messages.filter((m): m is Message => m?.state === 'FAILED' && m.cleared !== true);
  while (failed.length > 0) {
    const part = failed.slice(0, clearedAtOnce);
    try {
      await table.transact(clearing(contract, held, part));
      failed = failed.slice(part.length);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (!part.some((_, index) => error.failed[index] === true)) throw new JobReplaced();
      // Cleared by another runner of the same job.
      failed = failed.filter((_, index) => error.failed[index] !== true);
    }
  }
}

function clearing(contract: Contract, held: HeldJob, failed: Message[]): Write[] {
  const { tenantId, id } = contract;
  const atOnce = failed.filter((message) => message.feedSeq === 0).length;
  return [
    ...failed.map(
      (message): Write => ({
        update: 'SET cleared = :yes',
        key: keys.message(tenantId, message.id),
        // Clauses: still failed; not cleared yet.
        condition: '#s = :failed AND attribute_not_exists(cleared)',
        names: { '#s': 'state' },
        values: { ':yes': true, ':failed': 'FAILED' },
      }),
    ),
    ...[...countBy(failed, (message) => message.accountId)].map(
      ([accountId, count]): Write => ({
        update: 'ADD failed :n',
        key: keys.counter(tenantId, id, accountId),
        values: { ':n': -count },
      }),
    ),
    {
      update: 'ADD totalCount :all, atOnce :once, fedCount :fed',
      key: keys.contract(tenantId, id),
      condition: 'attribute_exists(pk)',
      values: { ':all': -failed.length, ':once': -atOnce, ':fed': atOnce - failed.length },
    },
    stillHeld(contract, held),
  ];
}

function countBy<T>(items: T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
