import type { Message } from '../../lib/domain/message.ts';
import { toIso } from '../../lib/domain/views/times.ts';

export const csvHead = 'phoneNumber,externalId,status,sentAt,deliveredAt,readAt,attempts,error\n';

/** One line of results.csv; `error` is code and sentence. */
export function csvLine(message: Message): string {
  const { error } = message;
  return `${[
    field(message.to),
    field(message.externalId ?? ''),
    message.state,
    toIso(message.sentAt) ?? '',
    toIso(message.deliveredAt) ?? '',
    toIso(message.readAt) ?? '',
    String(message.attempts),
    field(error === undefined ? '' : `${error.code}: ${error.message}`),
  ].join(',')}\n`;
}

/** Quoted where CSV needs it; a leading apostrophe keeps spreadsheets from taking what callers wrote for a formula. */
export function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
