import type { Contract } from '../../../domain/contracts/contract.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { ConditionFailed, inParallel, type Table } from '../../client/table.ts';
import { moveMessage } from '../../messages/messages.ts';
import { type HeldJob, JobReplaced, stillHeld } from './held.ts';

/** Errors of messages that may have arrived, or that would fail again. */
export const notRetried: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'INVALID_NUMBER']);

/** FAILED -> PENDING with a new set of attempts, as long as the job stands: after a cancel nothing is reopened. Throws JobReplaced. */
export async function retryRows(
  table: Table,
  contract: Contract,
  held: HeldJob,
  messages: (Message | undefined)[],
  nowMs: number,
): Promise<void> {
  const failed = messages.filter(
    (message): message is Message =>
      message?.state === 'FAILED' && message.cleared !== true && !notRetried.has(message.error?.code ?? ''),
  );
  // A new sending: that an earlier one went unanswered for a while counts no more.
  await inParallel(16, failed, async ({ openSince: _since, asides: _asides, ...message }) => {
    try {
      await moveMessage(table, message, 'PENDING', nowMs, { attempts: 0 }, [stillHeld(contract, held)]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Write 0: another runner of the same job was here first.
      if (error.failed[0] !== true) throw new JobReplaced();
    }
  });
}
