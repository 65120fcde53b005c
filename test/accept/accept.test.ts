import { describe, expect, it } from 'vitest';
import { acceptRows } from '../../lib/accept/accept.ts';
import { checkRows, type InputRow } from '../../lib/accept/rows.ts';
import { RecipientWarnings } from '../../lib/accept/warnings.ts';
import type { Table } from '../../lib/aws/client/table.ts';
import { type Key, keys as keysOf } from '../../lib/aws/keys.ts';
import { textContent } from '../../lib/domain/content.ts';

const row = (place: number, phoneNumber: string, more: Partial<InputRow> = {}): InputRow => ({
  place,
  phoneNumber,
  content: textContent('Hello'),
  ...more,
});
const settings = { skipInvalid: false };

/** A table that holds people who opted out, by their numbers, and counts its reads. */
function tableOf(...optedOut: string[]): { table: Table; reads: () => number } {
  let reads = 0;
  const table = {
    getMany: async (keys: Key[]) => {
      if (keys.length > 0) reads += 1;
      const listed = optedOut.map((digits) => keysOf.recipient('ten_1', digits).pk);
      return keys.map(({ pk, sk }) => (listed.includes(pk) && sk === 'R' ? { suppressedAt: 1 } : undefined));
    },
  };
  return { table: table as unknown as Table, reads: () => reads };
}

describe('checking rows', () => {
  it('gives digits and the normal form of the text', () => {
    const { checked, problems } = checkRows(
      [row(1, '+7 (999) 123-45-67', { content: textContent('e\u0301\r\n'), externalId: '' })],
      settings,
    );
    expect(problems).toEqual([]);
    expect(checked.map((one) => one.row)).toEqual([{ to: '79991234567', content: { type: 'text', text: '\u00e9\n' } }]);
  });

  it('names every problem of every row, in their order', () => {
    const { checked, problems } = checkRows(
      [
        row(1, '12', { content: textContent(' '), externalId: 'x'.repeat(129) }),
        row(2, '79991234567'),
        row(3, '', { content: undefined }),
      ],
      settings,
    );
    expect(checked.map(({ place }) => place)).toEqual([2]);
    expect(problems.map(({ place, field, code }) => [place, field, code])).toEqual([
      [1, 'phoneNumber', 'INVALID_NUMBER'],
      [1, 'content', 'TEXT_EMPTY'],
      [1, 'externalId', 'OUT_OF_RANGE'],
      [3, 'phoneNumber', 'REQUIRED'],
      [3, 'content', 'REQUIRED'],
    ]);
  });

  it('with skipInvalid keeps a wrong number as it was written, but refuses a wrong text', () => {
    const { checked, problems } = checkRows([row(1, 'nobody'), row(2, 'nobody', { content: textContent('') })], {
      skipInvalid: true,
    });
    expect(checked.map((one) => one.row)).toEqual([
      { to: 'nobody', content: { type: 'text', text: 'Hello' }, skip: 'INVALID_NUMBER' },
    ]);
    expect(problems.map(({ place, field }) => [place, field])).toEqual([[2, 'content']]);
  });

  it('with skipInvalid keeps a row whose number is empty or blank, and still refuses one without the field', () => {
    const rows = [row(1, ''), row(2, ' '), { ...row(3, ''), phoneNumber: undefined }];
    const { checked, problems } = checkRows(rows, { skipInvalid: true });
    expect(checked.map((one) => [one.row.to, one.row.skip])).toEqual([
      ['', 'INVALID_NUMBER'],
      [' ', 'INVALID_NUMBER'],
    ]);
    expect(problems).toEqual([
      { place: 3, field: 'phoneNumber', code: 'REQUIRED', message: 'The phone number is missing.' },
    ]);
  });

  it('with requirePlus refuses a number in doubt', () => {
    const asked = { skipInvalid: false, requirePlus: true, defaultCountry: 'DE' };
    const { problems } = checkRows([row(1, '79991234567'), row(2, '+79991234567')], asked);
    expect(problems.map(({ place, code }) => [place, code])).toEqual([[1, 'FOREIGN_NUMBER']]);
  });
});

describe('accepting rows', () => {
  const accept = async (table: Table, rows: InputRow[], more: { skipInvalid?: boolean } = {}) => {
    const warnings = new RecipientWarnings('row');
    const { checked } = checkRows(rows, { ...settings, ...more });
    return { rows: await acceptRows(table, 'ten_1', checked, warnings), warnings: warnings.sentences() };
  };

  it('takes one message without a contract', async () => {
    const { rows, warnings } = await accept(tableOf().table, [row(1, '+79991234567', { externalId: 'order-1' })]);
    expect(rows).toEqual([{ to: '79991234567', content: { type: 'text', text: 'Hello' }, externalId: 'order-1' }]);
    expect(warnings).toEqual([]);
  });

  it('skips people who have opted out under any spelling, and says how many', async () => {
    const { table } = tableOf('5511987654321');
    const { rows, warnings } = await accept(table, [row(1, '+551187654321'), row(2, '+79991234567')]);
    expect(rows.map(({ to, skip }) => [to, skip])).toEqual([
      ['551187654321', 'SUPPRESSED'],
      ['79991234567', undefined],
    ]);
    expect(warnings).toEqual(['Recipients who have opted out: 1. They are recorded as suppressed.']);
  });

  it('leaves a wrong number as it is: it asks for no person behind it', async () => {
    const { table, reads } = tableOf('nobody');
    const { rows } = await accept(table, [row(1, 'nobody')], { skipInvalid: true });
    expect(rows.map(({ skip }) => skip)).toEqual(['INVALID_NUMBER']);
    expect(reads()).toBe(0);
  });

  it('sums up what is odd, with the first place', async () => {
    const link = textContent('See https://example.org');
    const { warnings } = await accept(tableOf().table, [
      row(1, '+79991234567'),
      row(2, '+79991234567', { content: link }),
      row(3, '+79991234568', { content: link }),
    ]);
    expect(warnings).toEqual([
      'Numbers that came before: 1. Each is sent to again.',
      'The text contains a link. Rows: 2, the first is row 2.',
    ]);
  });
});
