import { type Content, textContent } from '../domain/content.ts';
import { maxRows } from '../domain/contracts/contract.ts';
import type { PageRow } from '../domain/contracts/pages.ts';
import type { FieldErrorCode } from '../domain/errors.ts';
import { checkText } from '../domain/messages/text.ts';
import { doubtSentence, type NumberReading, readNumber } from '../domain/people/phone.ts';
import { cut } from '../domain/well-formed.ts';

/** One recipient as the caller wrote it, in a body or in a line of a file. */
export interface InputRow {
  /** The place of the row in its list, or its line in its file, counted from 1. Problems and warnings name it. */
  place: number;
  phoneNumber: string | undefined;
  content: Content | undefined;
  externalId?: string | undefined;
}

/** Settings that hold for all rows of a request or file. */
export interface RowSettings {
  /** ISO 3166 alpha-2. Without one, no number is national. */
  defaultCountry?: string | undefined;
  /** True: a row with a wrong number is accepted, as failed. */
  skipInvalid: boolean;
  /** True: a number in doubt without + is wrong. */
  requirePlus?: boolean | undefined;
}

/** One thing that is wrong with a row. The caller turns `place` and `field` into a JSON pointer or a line. */
export interface RowProblem {
  place: number;
  field: 'phoneNumber' | 'content' | 'externalId';
  code: FieldErrorCode;
  message: string;
}

/** A valid row: its number as digits, its content normalised. Or a row that `skipInvalid` accepts with a wrong number. */
export interface CheckedRow {
  place: number;
  row: PageRow;
  /** Sentences about the number and the content. */
  warnings: string[];
  /** The reading of the number. `acceptRows` chooses if there are two. Absent for a skipped row. */
  number?: NumberReading;
}

const maxExternalIdLength = 128;

/** The error for more than `maxRows` rows. */
export const tooManyRows = {
  code: 'TOO_MANY_ROWS',
  message: `A contract has at most ${maxRows} recipients.`,
} as const;

/** Checks and normalises each row. Returns the problems of all rows, in their order. */
export function checkRows(
  rows: Iterable<InputRow>,
  settings: RowSettings,
): { checked: CheckedRow[]; problems: RowProblem[] } {
  const checked: CheckedRow[] = [];
  const problems: RowProblem[] = [];
  for (const row of rows) {
    const result = checkRow(row, settings);
    if ('problems' in result) problems.push(...result.problems);
    else checked.push(result);
  }
  return { checked, problems };
}

/**
 * Returns the row normalised, or all its problems. With `skipInvalid`, a row with a wrong number is skipped: it is final from the start, and `to` is
 * the number as written, at most 64 characters.
 */
export function checkRow(input: InputRow, settings: RowSettings): CheckedRow | { problems: RowProblem[] } {
  const { place } = input;
  const problems: RowProblem[] = [];
  const refuse = (field: RowProblem['field'], code: FieldErrorCode, message: string) =>
    problems.push({ place, field, code, message });
  let to = '';
  let isSkipped = false;
  let number: NumberReading | undefined;
  const warnings: string[] = [];
  if (input.phoneNumber === undefined || (input.phoneNumber === '' && !settings.skipInvalid)) {
    refuse('phoneNumber', 'REQUIRED', 'The phone number is missing.');
  } else {
    const read = readNumber(input.phoneNumber, settings);
    const doubt = read.ok && settings.requirePlus === true ? read.doubt : undefined;
    isSkipped = (!read.ok || doubt !== undefined) && settings.skipInvalid;
    if (isSkipped) {
      to = cut(input.phoneNumber, 64);
      if (doubt !== undefined) warnings.push(`${doubt.code}: ${doubtSentence(doubt)}`);
    } else if (!read.ok) refuse('phoneNumber', 'INVALID_NUMBER', read.reason);
    else if (doubt !== undefined) refuse('phoneNumber', doubt.code, doubtSentence(doubt));
    else {
      number = read;
      to = read.digits;
    }
  }
  const content = input.content === undefined ? undefined : checkContent(input.content);
  if (content === undefined) refuse('content', 'REQUIRED', 'The message is missing.');
  else if (!content.ok) refuse('content', content.code, content.message);
  const externalId = input.externalId === '' ? undefined : input.externalId;
  if (externalId !== undefined && externalId.length > maxExternalIdLength) {
    refuse('externalId', 'OUT_OF_RANGE', `externalId has at most ${maxExternalIdLength} characters.`);
  } else if (externalId !== undefined && !externalId.isWellFormed()) {
    refuse('externalId', 'INVALID', 'externalId contains half of a character.');
  }
  if (problems.length > 0 || content === undefined || !content.ok) return { problems };
  const row: PageRow = {
    to,
    content: content.content,
    ...(externalId === undefined ? {} : { externalId }),
    ...(isSkipped ? { skip: 'INVALID_NUMBER' as const } : {}),
  };
  return { place, row, warnings: [...warnings, ...content.warnings], ...(number === undefined ? {} : { number }) };
}

export type ContentCheck =
  | { ok: true; content: Content; warnings: string[] }
  | { ok: false; code: FieldErrorCode; message: string };

/** Returns the content as it will be sent, or its error. */
export function checkContent(content: Content): ContentCheck {
  switch (content.type) {
    case 'text': {
      const text = checkText(content.text);
      return text.ok ? { ok: true, content: textContent(text.text), warnings: text.warnings } : text;
    }
    default:
      return content.type satisfies never;
  }
}
