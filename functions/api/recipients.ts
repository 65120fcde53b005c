import { toPageRow } from '../../lib/aws/pages.ts';
import { skipSuppressed } from '../../lib/aws/suppressions.ts';
import type { Table } from '../../lib/aws/table.ts';
import type { PageRow } from '../../lib/domain/contract.ts';
import type { FieldError } from '../../lib/domain/errors.ts';
import { RecipientWarnings } from '../../lib/domain/recipient-warnings.ts';
import { checkText } from '../../lib/domain/text.ts';

/** A recipient as the body has it; `to` and `text` are other names of the first two. */
export interface RecipientInput {
  phoneNumber?: string | undefined;
  to?: string | undefined;
  message?: string | undefined;
  text?: string | undefined;
  externalId?: string | undefined;
}

export interface CheckedRecipients {
  rows: PageRow[];
  errors: FieldError[];
  /** What is only odd, summed up. */
  odd: RecipientWarnings;
}

/** Rows ready for their pages: who has opted out is marked, counted and warned about. */
export interface AcceptedRows {
  rows: PageRow[];
  suppressed: number;
  warnings: string[];
}

/** The last step before rows become pages; the claim of each message asks again. */
export async function acceptRows(table: Table, tenantId: string, checked: CheckedRecipients): Promise<AcceptedRows> {
  const rows = await skipSuppressed(table, tenantId, checked.rows);
  const suppressed = rows.filter(({ skip }) => skip === 'SUPPRESSED').length;
  checked.odd.optedOut(suppressed);
  return { rows, suppressed, warnings: checked.odd.sentences() };
}

/** Checks each row on its own and tells all that are wrong; what is only odd is summed up in `odd`. `known`: the contract's numbers so far. */
export function checkRecipients(
  recipients: RecipientInput[],
  settings: {
    defaultCountry?: string | undefined;
    skipInvalid: boolean;
    message?: string | undefined;
    known?: string[];
  },
): CheckedRecipients {
  const rows: PageRow[] = [];
  const errors: FieldError[] = [];
  const odd = new RecipientWarnings('row', settings.known);
  for (const [index, recipient] of recipients.entries()) {
    const names = {
      phoneNumber: oneName(recipient, 'phoneNumber', 'to'),
      message: oneName(recipient, 'message', 'text'),
    };
    for (const [first, second] of [names.phoneNumber.both, names.message.both]) {
      if (first === undefined || second === undefined) continue;
      const message = `Send ${first} or ${second}, not both.`;
      errors.push({ path: `/recipients/${index}/${second}`, row: index + 1, code: 'INVALID', message });
    }
    const input = {
      phoneNumber: recipient.phoneNumber ?? recipient.to,
      text: recipient.message ?? recipient.text ?? settings.message,
      externalId: recipient.externalId,
    };
    const result = toPageRow(input, settings);
    if ('problems' in result) {
      for (const { field, code, message } of result.problems) {
        const name = field === 'externalId' ? field : names[field].used;
        errors.push({ path: `/recipients/${index}/${name}`, row: index + 1, code, message });
      }
      continue;
    }
    rows.push(result.row);
    odd.add(result.row, result.warnings, index + 1);
  }
  return { rows, errors, odd };
}

/** The contract's own text, where rows have none; checked once, for its own sake. */
export function checkMessage(message: string | undefined): FieldError[] {
  const result = message === undefined ? undefined : checkText(message);
  return result === undefined || result.ok ? [] : [{ path: '/message', code: result.code, message: result.message }];
}

function oneName<A extends keyof RecipientInput, B extends keyof RecipientInput>(
  recipient: RecipientInput,
  name: A,
  other: B,
) {
  const both = recipient[name] !== undefined && recipient[other] !== undefined;
  return {
    used: recipient[name] === undefined && recipient[other] !== undefined ? other : name,
    both: both ? ([name, other] as const) : ([] as const),
  };
}
