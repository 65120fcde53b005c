import type { Message } from '../../../lib/domain/messages/message.ts';
import { notKept } from '../../../lib/domain/messages/retention.ts';
import { toIso } from '../../../lib/domain/times.ts';

export const csvHead = 'phoneNumber,externalId,status,sentAt,deliveredAt,readAt,attempts,error\n';

/** One line of results.csv; `error` is code and sentence. */
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

/** The line of a row whose result is not kept any more; whom it was for is still in its page. */
export function goneLine({ to, externalId }: Pick<Message, 'to' | 'externalId'>): string {
  const why = field(`NOT_KEPT: ${notKept}`);
  return `${[numberField(to), field(externalId ?? ''), 'UNKNOWN', '', '', '', '', why].join(',')}\n`;
}

/** A text as a field: guarded, and quoted where CSV needs quotes. */
export function field(text: string): string {
  return quoted(guarded(text));
}

/**
 * The text as a spreadsheet shows it and does not run it. A spreadsheet takes a field for a formula by its first visible character, also
 * the full-width one; a leading apostrophe prevents that. A text that has such apostrophes already gets one more, so that taking off one
 * apostrophe gives the text back.
 */
export function guarded(text: string): string {
  return /^'*(?:[\t\n\r\0]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠﹦﹢﹣﹫])/u.test(text) ? `'${text}` : text;
}

/** A phone number, which is never guarded: programs read it. Rows with `skipInvalid` have anything here; what is no spelling of a number is guarded. */
function numberField(text: string): string {
  return /^\+?[\d\s()./-]*$/.test(text) ? quoted(text) : field(text);
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
