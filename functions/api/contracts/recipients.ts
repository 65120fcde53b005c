import type { Table } from '../../../lib/aws/client/table.ts';
import { type CheckedRow, type RowSettings, toPageRow } from '../../../lib/aws/contracts/pages.ts';
import { settleRows } from '../../../lib/aws/people/known-people.ts';
import { skipSuppressed } from '../../../lib/aws/people/suppressions.ts';
import type { PageRow } from '../../../lib/domain/contracts/contract.ts';
import { RecipientWarnings } from '../../../lib/domain/contracts/recipient-warnings.ts';
import type { FieldError } from '../../../lib/domain/errors.ts';
import { checkText } from '../../../lib/domain/messages/text.ts';

/** A recipient as the body has it; `to` and `text` are other names of the first two. */
export interface RecipientInput {
  phoneNumber?: string | undefined;
  to?: string | undefined;
  message?: string | undefined;
  text?: string | undefined;
  externalId?: string | undefined;
}

export interface CheckedRecipients {
  /** `at` is the row, counted from 1. */
  recipients: (CheckedRow & { at: number })[];
  errors: FieldError[];
  odd: RecipientWarnings;
}

/** Rows ready for their pages: people who have opted out are marked and counted. `warnings`: what is odd, summed up. */
export interface AcceptedRows {
  rows: PageRow[];
  suppressed: number;
  warnings: string[];
}

/**
 * The last step before rows become pages: decides numbers that can be read in two ways, and marks people who have opted out. The claim of each
 * message checks opt-outs again.
 */
export async function acceptRows(table: Table, tenantId: string, checked: CheckedRecipients): Promise<AcceptedRows> {
  const settled = await settleRows(table, tenantId, checked.recipients);
  for (const { row, warnings, number, at } of settled) checked.odd.add(row, warnings, at, number?.doubt);
  const rows = await skipSuppressed(
    table,
    tenantId,
    settled.map(({ row }) => row),
  );
  const suppressed = rows.filter(({ skip }) => skip === 'SUPPRESSED').length;
  checked.odd.optedOut(suppressed);
  return { rows, suppressed, warnings: checked.odd.sentences() };
}

/** Checks each row on its own and tells all that are wrong. `known`: the contract's numbers so far. */
export function checkRecipients(
  recipients: RecipientInput[],
  settings: RowSettings & { message?: string | undefined; known?: string[] },
): CheckedRecipients {
  const checked: CheckedRecipients['recipients'] = [];
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
    checked.push({ ...result, at: index + 1 });
  }
  return { recipients: checked, errors, odd };
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
