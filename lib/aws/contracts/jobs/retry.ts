import type { Contract } from '../../../domain/contracts/contract.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { inParallel, type Table } from '../../client/table.ts';
import { tryMove } from '../../messages/messages.ts';
import { type HeldJob, JobReplaced, stillHeld } from './held.ts';

/** Errors of messages that may have arrived, or that would fail again. */
export const notRetried: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'INVALID_NUMBER']);

/**
 * Moves FAILED messages to PENDING with a new set of attempts. Each move checks that the job still holds, so that nothing is reopened after a cancel.
 * Throws JobReplaced.
 */
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
  // This is a new sending, so the record of unanswered earlier ones is dropped.
  await inParallel(16, failed, async ({ openSince: _since, asides: _asides, ...message }) => {
    const job = [stillHeld(contract, held)];
    const { refused } = await tryMove(table, message, 'PENDING', nowMs, { attempts: 0 }, job);
    // Refused by the message: another runner of the same job was here first.
    if (refused?.by('message') === false) throw new JobReplaced();
  });
}
