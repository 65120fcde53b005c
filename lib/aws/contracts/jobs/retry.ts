import type { Contract } from '../../../domain/contracts/contract.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { inParallel, type Table } from '../../client/table.ts';
import { tryMove } from '../../messages/messages.ts';
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
    const job = [stillHeld(contract, held)];
    const { refused } = await tryMove(table, message, 'PENDING', nowMs, { attempts: 0 }, job);
    // Refused by the message: another runner of the same job was here first.
    if (refused?.by('message') === false) throw new JobReplaced();
  });
}
