import type { Contract } from '../../../domain/contracts/contract.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { added, patch } from '../../client/patch.ts';
import { type NamedWrites, present, type Table, type Write } from '../../client/table.ts';
import { keys } from '../../keys.ts';
import { type HeldJob, JobReplaced, stillHeld } from './held.ts';

/** Most messages in one transaction. With counter, contract and job it stays within 100 writes. */
const clearedAtOnce = 96;

/** Removes the failures of these rows from counter and total, up to 96 in one transaction. Throws JobReplaced. */
export async function clearRows(
  table: Table,
  contract: Contract,
  held: HeldJob,
  messages: (Message | undefined)[],
): Promise<void> {
  let failed = messages.filter((m): m is Message => m?.state === 'FAILED' && m.cleared !== true);
  while (failed.length > 0) {
    const part = failed.slice(0, clearedAtOnce);
    const refused = await table.tryTransact(clearing(contract, held, part));
    if (refused === undefined) {
      failed = failed.slice(part.length);
      continue;
    }
    if (!refused.by('messages')) throw new JobReplaced();
    // Another runner of the same job has cleared these.
    const cleared = refused.among('messages');
    failed = failed.filter((_, index) => cleared[index] !== true);
  }
}

function clearing(
  contract: Contract,
  held: HeldJob,
  failed: Message[],
): NamedWrites<'messages' | 'counters' | 'contract' | 'job'> {
  const { tenantId, id } = contract;
  const atOnce = failed.filter((message) => message.feedSeq === 0).length;
  const counters = [...Map.groupBy(failed, ({ accountId }) => accountId)];
  return {
    messages: failed.map(
      (message): Write => ({
        key: keys.message(tenantId, message.id),
        ...patch({ cleared: true }),
        condition: {
          isFailed: { is: '#state = :failed', names: { '#state': 'state' }, values: { ':failed': 'FAILED' } },
          isNotCleared: 'attribute_not_exists(cleared)',
        },
      }),
    ),
    counters: counters.map(
      ([accountId, own]): Write => ({
        key: keys.counter(tenantId, id, accountId),
        ...patch({ failed: added(-own.length), fed: added(-own.filter(({ feedSeq }) => feedSeq > 0).length) }),
      }),
    ),
    contract: {
      key: keys.contract(tenantId, id),
      ...patch({
        totalCount: added(-failed.length),
        atOnce: added(-atOnce),
        fedCount: added(atOnce - failed.length),
      }),
      condition: { exists: present },
    },
    job: stillHeld(contract, held),
  };
}
