import type { Message } from '../../../lib/domain/messages/message.ts';
import { notKept } from '../../../lib/domain/messages/retention.ts';
import { toIso } from '../../../lib/domain/times.ts';

export const csvHead = 'phoneNumber,externalId,status,sentAt,deliveredAt,readAt,attempts,error\n';

/** Returns one line of results.csv. The column `error` has code and sentence. */
export function csvLine(message: Message): string {
  const { error } = message;
  return `${[
    numberField(message.to),
    field(message.externalId ?? ''),
    message.state,
    toIso(message.sentAt) ?? '',
    toIso(message.deliveredAt) ?? '',
    toIso(message.readAt) ?? '',
    String(message.attempts),
    field(error === undefined ? '' : `${error.code}: ${error.message}`),
  ].join(',')}\n`;
}

/** Returns the line of a row whose result is no longer kept. Its page still has the recipient. */
export function goneLine({ to, externalId }: Pick<Message, 'to' | 'externalId'>): string {
  const why = field(`NOT_KEPT: ${notKept}`);
  return `${[numberField(to), field(externalId ?? ''), 'UNKNOWN', '', '', '', '', why].join(',')}\n`;
}

/** Returns a text as a field: guarded, and quoted when CSV needs quotes. */
export function field(text: string): string {
  return quoted(guarded(text));
}

/**
 * Returns the text in a form that a spreadsheet shows and does not run. A spreadsheet takes a field for a formula by its first visible character,
 * also a full-width one; a leading apostrophe prevents that. A text that already has such apostrophes gets one more, so that removing one apostrophe
 * restores it.
 */
export function guarded(text: string): string {
  return /^'*(?:[\t\n\r\0]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠﹦﹢﹣﹫])/u.test(text) ? `'${text}` : text;
}

/**
 * Returns a phone number as a field. It is not guarded, because programs read it. With `skipInvalid` it can be any text; a text that does not look
 * like a number is guarded.
 */
function numberField(text: string): string {
  return /^\+?[\d\s()./-]*$/.test(text) ? quoted(text) : field(text);
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
