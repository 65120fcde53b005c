import type { InputRow, RowProblem, RowSettings } from '../../../lib/accept/rows.ts';
import { type CheckedRow, checkContent, checkRows } from '../../../lib/accept/rows.ts';
import { textContent } from '../../../lib/domain/content.ts';
import type { FieldError } from '../../../lib/domain/errors.ts';

/** A recipient as the body has it; `to` and `text` are other names of the first two fields. */
export interface RecipientInput {
  phoneNumber?: string | undefined;
  to?: string | undefined;
  message?: string | undefined;
  text?: string | undefined;
  externalId?: string | undefined;
}

/**
 * Checks the recipients of a body. `message` is for recipients without one of their own. The errors are in the order of the rows; each has the
 * path of the field that the caller used.
 */
export function checkRecipients(
  recipients: RecipientInput[],
  message: string | undefined,
  settings: RowSettings,
): { checked: CheckedRow[]; errors: FieldError[] } {
  const { checked, problems } = checkRows(
    recipients.map((recipient, index) => inputRow(recipient, index, message)),
    settings,
  );
  const errors = [...recipients.flatMap(doubleNames), ...problems.map((problem) => fieldError(recipients, problem))];
  // The sort is stable: double names of a row stay before its other errors.
  return { checked, errors: errors.sort((one, other) => (one.row ?? 0) - (other.row ?? 0)) };
}

function inputRow(recipient: RecipientInput, index: number, message: string | undefined): InputRow {
  const text = recipient.message ?? recipient.text ?? message;
  return {
    place: index + 1,
    phoneNumber: recipient.phoneNumber ?? recipient.to,
    content: text === undefined ? undefined : textContent(text),
    externalId: recipient.externalId,
  };
}

const otherNames = { phoneNumber: 'to', message: 'text' } as const;

function doubleNames(recipient: RecipientInput, index: number): FieldError[] {
  return (['phoneNumber', 'message'] as const).flatMap((name): FieldError[] => {
    const other = otherNames[name];
    if (recipient[name] === undefined || recipient[other] === undefined) return [];
    const message = `Send ${name} or ${other}, not both.`;
    return [{ path: `/recipients/${index}/${other}`, row: index + 1, code: 'INVALID', message }];
  });
}

function fieldError(recipients: RecipientInput[], { place, field, code, message }: RowProblem): FieldError {
  const index = place - 1;
  const name = field === 'content' ? 'message' : field;
  const other = name === 'externalId' ? name : otherNames[name];
  const isOther = recipients[index]?.[name] === undefined && recipients[index]?.[other] !== undefined;
  return { path: `/recipients/${index}/${isOther ? other : name}`, row: place, code, message };
}

/**
 * Returns the message of a body for recipients without one of their own. It has two names. Adds to `errors` when both are used, and when the message is
 * wrong, even if no recipient needs it.
 */
export function messageOf(
  body: { message?: string | undefined; text?: string | undefined },
  errors: FieldError[],
): string | undefined {
  if (body.message !== undefined && body.text !== undefined) {
    errors.push({ path: '/text', code: 'INVALID', message: 'Send message or text, not both.' });
  }
  const message = body.message ?? body.text;
  const result = message === undefined ? undefined : checkContent(textContent(message));
  if (result?.ok === false) {
    const path = body.message === undefined ? '/text' : '/message';
    errors.push({ path, code: result.code, message: result.message });
  }
  return message;
}
