import type { Message, MessageError } from '../../domain/messages/message.ts';
import type { Table } from '../client/table.ts';
import { tryMove } from './messages.ts';

/** After so long without a written outcome, the outcome of a sending cannot be learned any more. */
export const outcomeUnknownAfterMs = 24 * 3_600_000;

/** The error of a message in hand whose answer will not come any more. */
export const outcomeUnknown: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'The message may or may not have reached WhatsApp, and it can no longer be learned. It is not sent again.',
};

const notLearned: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'No answer could be had for 24 hours. It is not sent again.',
};
const accountGone: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'The account is gone, so that no answer can be had. It is not sent again.',
};

const contractEnded: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'No answer had come when the contract ended. It is not sent again.',
};
const optedOut: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'No answer had come when the recipient asked for no more messages. It is not sent again.',
};
const reasons = {
  no_answer: notLearned,
  account_gone: accountGone,
  contract_ended: contractEnded,
  opted_out: optedOut,
};
export type WhyUnknown = keyof typeof reasons;

/** By the state in which other messages end: the reason for a message that was laid aside without an answer, and so may have arrived. */
export const unknownWhen = { CANCELED: 'contract_ended', SUPPRESSED: 'opted_out' } as const;

/** Ends a message as FAILED with an unknown outcome. Returns undefined when the message is no longer as it was read. */
export async function endUnknown(
  table: Table,
  message: Message,
  why: WhyUnknown,
  nowMs: number,
): Promise<Message | undefined> {
  return (await tryMove(table, message, 'FAILED', nowMs, { error: reasons[why] })).moved;
}
