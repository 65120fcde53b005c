import { parse } from 'csv-parse/sync';
import { normalisePhone } from '../../lib/domain/phone.ts';
import type { Suppression } from '../../lib/domain/suppression.ts';
import { suppressionView } from '../../lib/domain/views/suppression.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import { field } from './csv.ts';

export interface SuppressionRow {
  phoneNumber: string;
  reason?: string;
}

export interface SuppressionFile {
  /** Each number once. */
  rows: SuppressionRow[];
  repeated: number;
  errors: { line: number; code: string; message: string }[];
}

const longestReason = 200;
const numberTitles = new Set(['phonenumber', 'phone', 'to']);

/**
 * Numbers in a CSV file: a column phoneNumber (phone, to) and optionally reason, others are passed over, so that an export can be imported; or,
 * without a header, the first column. Undefined when the text is no CSV or has no such column.
 */
export function readSuppressions(text: string, defaultCountry: string | undefined): SuppressionFile | undefined {
  const lines = parsed(text);
  const first = lines?.[0];
  if (lines === undefined || first === undefined) return undefined;
  const titles = first.record.map((title) => title.trim().toLowerCase());
  let numberAt = titles.findIndex((title) => numberTitles.has(title));
  const reasonAt = titles.indexOf('reason');
  const hasHeader = numberAt >= 0;
  // An export has numbers as answers have them: international, without plus.
  const country = titles.includes('createdat') ? undefined : defaultCountry;
  if (!hasHeader) {
    if (!normalisePhone(first.record[0] ?? '', defaultCountry).ok) return undefined;
    numberAt = 0;
  }
  const file: SuppressionFile = { rows: [], repeated: 0, errors: [] };
  const seen = new Set<string>();
  for (const { record, line } of hasHeader ? lines.slice(1) : lines) {
    const number = normalisePhone(record[numberAt] ?? '', country);
    if (!number.ok) {
      // Of an export: people known by LID alone have no number.
      file.errors.push({ line, code: 'INVALID_NUMBER', message: number.reason });
      continue;
    }
    if (seen.has(number.digits)) {
      file.repeated += 1;
      continue;
    }
    seen.add(number.digits);
    const reason = (hasHeader && reasonAt >= 0 ? (record[reasonAt] ?? '') : '').replace(/\p{Cc}/gu, ' ').trim();
    file.rows.push({
      phoneNumber: number.digits,
      ...(reason === '' ? {} : { reason: cut(reason, longestReason) }),
    });
  }
  return file;
}

function parsed(text: string): { record: string[]; line: number }[] | undefined {
  try {
    const found = parse(text, {
      bom: true,
      delimiter: [',', ';', '\t'],
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return found.map(({ record, info }) => ({ record, line: info.lines }));
  } catch {
    return undefined;
  }
}

export const suppressionHead = 'phoneNumber,lid,reason,source,accountId,createdAt\n';

/** One line of suppressions.csv. */
export function suppressionLine(suppression: Suppression): string {
  const { phoneNumber, lid, reason, source, accountId, createdAt } = suppressionView(suppression);
  return `${[phoneNumber ?? '', lid ?? '', field(reason), source, accountId ?? '', createdAt].join(',')}\n`;
}
