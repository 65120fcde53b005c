import { describe, expect, it } from 'vitest';
import { field, guarded } from '../../functions/api/csv.ts';
import { readSuppressions } from '../../functions/api/suppression-file.ts';
import { csvRows, type FileRow, ndjsonRows } from '../../functions/import/read-rows.ts';
import { toPageRow } from '../../lib/aws/pages.ts';
import { isSendableHeader } from '../../lib/domain/egress-headers.ts';
import { egressTarget } from '../../lib/domain/egress-target.ts';
import { columnOf } from '../../lib/domain/files/columns.ts';
import { optWordOf } from '../../lib/domain/opt-out.ts';
import { addressesMeant, readAddress, readNumber } from '../../lib/domain/phone.ts';
import { checkText, showsNothing } from '../../lib/domain/text.ts';
import { readRetryAfter } from '../../lib/domain/webhooks/answer.ts';
import { cut, findIllFormed, mended } from '../../lib/domain/well-formed.ts';
import { redact } from '../../socket-host/whatsapp/redaction.ts';

const policy = { allowLoopback: false };
async function drain(rows: AsyncIterable<FileRow>): Promise<void> {
  for await (const _ of rows);
}
const bytes = (text: string) => [Buffer.from(text)];
async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += 4096) yield all.subarray(at, at + 4096);
}
const refused = () => undefined;

/** Everything that text of callers and recipients goes through, each with the whole text as its input. */
const rules: Record<string, (text: string) => unknown> = {
  checkText,
  showsNothing,
  optWordOf,
  readNumber: (text) => readNumber(text, { defaultCountry: 'DE' }),
  readAddress: (text) => readAddress(text, { defaultCountry: 'BR' }),
  addressesMeant: (text) => addressesMeant(text, {}),
  toPageRow: (text) => toPageRow({ phoneNumber: text, text, externalId: text }, { skipInvalid: true }),
  columnOf,
  guarded,
  field,
  cut: (text) => cut(text, 200),
  findIllFormed: (text) => findIllFormed({ [text]: text }),
  mended: (text) => mended({ [text]: text }),
  isSendableHeader: (text) => isSendableHeader(text, text),
  egressTarget: (text) => [egressTarget(text, policy), egressTarget(`https://${text}/`, policy)],
  redact,
  readRetryAfter: (text) => readRetryAfter(text, 0),
  'csv, as a text': (text) => drain(csvRows(chunks(`to,text\n1,${text}\n`))).catch(refused),
  'csv, quoted': (text) => drain(csvRows(chunks(`to,text\n1,"${text}"\n`))).catch(refused),
  'csv, as the whole file': (text) => drain(csvRows(chunks(text))).catch(refused),
  'ndjson, as a text': (text) => drain(ndjsonRows(chunks(`${JSON.stringify({ to: '1', text })}\n`))).catch(refused),
  'ndjson, as the whole file': (text) => drain(ndjsonRows(chunks(text))).catch(refused),
  'suppressions, as a reason': (text) =>
    readSuppressions(bytes(`phone,reason\n79991234567,"${text}"\n`), 'DE').catch(refused),
  'suppressions, as the whole file': (text) => readSuppressions(bytes(text), 'DE').catch(refused),
};

/** Repeated to any length; each has stopped some matcher, normaliser or parser. */
const nasty = [
  'a-',
  'a.',
  '-',
  '.',
  'a',
  'aaaaaaaaaab',
  'a-a.',
  'www',
  'http:/',
  'a.com',
  'x.com/ ',
  ' ',
  '\t',
  '\n',
  '\r',
  '\r\n',
  ' \n',
  '\0',
  '\u0301',
  '\u0301\u0316',
  '\u0345\u0301\u0334',
  '\u3164',
  '\u200b',
  '😀',
  '\ud83d',
  'ſ',
  'ﷺ',
  '가',
  '\u1100',
  '0',
  '00',
  '+',
  '1 ',
  '(',
  '١',
  ',',
  ';',
  ',;|\t',
  '"',
  '""',
  '",',
  '"\n',
  ' "',
  ',"a"',
  "'",
  "'=",
  '=',
  ' ＝',
  '{',
  '[',
  '{"a":',
  '\\u',
  '\\',
  '<',
  '@',
  'a@',
  ':1',
  '_1',
  '//',
  '#',
  '%',
  'STOP ',
  '\u00df',
];

/** Characters that each measurement works on, in one call or in many. */
const totalUnits = 16_384;

/** The time for all of them in calls of `units` each: the least of five, because other work on the machine only adds. Stops at `enoughMs`. */
async function leastMs(
  rule: (text: string) => unknown,
  part: string,
  units: number,
  enoughMs: number,
): Promise<number> {
  const text = `a${part.repeat(Math.floor((units - 2) / part.length))}!`;
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 5 && least > enoughMs; n += 1) {
    const startedAt = performance.now();
    for (let done = 0; done < totalUnits; done += units) await rule(text);
    least = Math.min(least, performance.now() - startedAt);
  }
  return least;
}

const noiseMs = 60;

/** The same amount of text takes about the same time in long pieces as in short ones. A time that grows with the square takes 16 and 64 times as long. */
async function slowParts(rule: (text: string) => unknown, parts = nasty): Promise<string[]> {
  const slow: string[] = [];
  for (const part of parts) {
    const shortMs = await leastMs(rule, part, 256, 10);
    const limitMs = 4 * shortMs + noiseMs;
    for (const units of [4096, 16_384]) {
      const longMs = await leastMs(rule, part, units, limitMs);
      if (longMs > limitMs) slow.push(`${JSON.stringify(part)}, ${units} characters: ${Math.round(longMs)} ms`);
    }
  }
  return slow;
}

describe('the time of a text rule grows with the length of the text and no faster', () => {
  it.each(Object.entries(rules))('%s', async (_name, rule) => {
    expect(await slowParts(rule)).toEqual([]);
  });

  it('and this test finds a rule whose time grows with the square', async () => {
    const square = (text: string) => text.length <= 4096 && /(?:[a-z0-9-]+\.)+com\//.test(text);
    expect((await slowParts(square, ['a-'])).join()).toContain('"a-", 4096 characters');
  });
});
