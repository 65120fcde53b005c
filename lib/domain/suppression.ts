/** Who put a person on the list: the person's own word, a call, or a file. */
export const suppressionSources = ['inbound', 'api', 'import'] as const;
export type SuppressionSource = (typeof suppressionSources)[number];

/** A person this tenant does not write to, by number, by LID, or by both. `at` is epoch milliseconds. */
export interface Suppression {
  tenantId: string;
  phoneNumber?: string;
  lid?: string;
  /** A sentence for people. */
  reason: string;
  source: SuppressionSource;
  /** The account the word came to, and the WhatsApp id of the message it was in. */
  accountId?: string;
  inboundId?: string;
  at: number;
}

/** The reason of those whose own word it was. */
export const ownWord = 'The person asked for no more messages.';

/** The reason where the entry that had it is gone. */
export function earlierReason(source: SuppressionSource): string {
  return source === 'inbound' ? ownWord : 'Put on the list earlier.';
}
