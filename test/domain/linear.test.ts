import { describe, expect, it } from 'vitest';
import { field, guarded } from '../../functions/api/http/csv.ts';
import { readSuppressions } from '../../functions/api/suppressions/file.ts';
import { csvRows, type FileRow, ndjsonRows } from '../../functions/import/read-rows.ts';
import { checkRow } from '../../lib/accept/rows.ts';
import { textContent } from '../../lib/domain/content.ts';
import { isSendableHeader } from '../../lib/domain/egress/headers.ts';
import { egressTarget } from '../../lib/domain/egress/target.ts';
import { columnOf } from '../../lib/domain/files/columns.ts';
import { checkText, showsNothing } from '../../lib/domain/messages/text.ts';
import { optWordOf } from '../../lib/domain/people/opt-out.ts';
import { addressesMeant, readAddress, readNumber } from '../../lib/domain/people/phone.ts';
import { readRetryAfter } from '../../lib/domain/webhooks/answer.ts';
import { cut, findIllFormed, mended } from '../../lib/domain/well-formed.ts';
import { redact } from '../../socket-host/baileys/redaction.ts';

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
  checkRow: (text) =>
    checkRow({ place: 1, phoneNumber: text, content: textContent(text), externalId: text }, { skipInvalid: true }),
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

/** So little time is no growth. A time that grows with the square is above it: 16,384 characters take 10^8 steps, four times 4,096 take 3 * 10^7. */
const littleMs = 10;

/** The time of this thread's processor for all of them in calls of `units` each. Other work on the machine does not count. */
async function cpuMs(rule: (text: string) => unknown, part: string, units: number): Promise<number> {
  const text = `a${part.repeat(Math.floor((units - 2) / part.length))}!`;
  const before = process.threadCpuUsage();
  for (let done = 0; done < totalUnits; done += units) await rule(text);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

/** The same of the quickest of three runs: the first ones compile, and any one can collect garbage. */
async function leastCpuMs(rule: (text: string) => unknown, part: string, units: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 3; n += 1) least = Math.min(least, await cpuMs(rule, part, units));
  return least;
}

/** The same amount of text takes about the same time in long pieces as in short ones. A time that grows with the square takes 16 and 64 times as long. */
async function slowParts(rule: (text: string) => unknown, parts = nasty): Promise<string[]> {
  const slow: string[] = [];
  for (const part of parts) {
    for (const units of [4096, 16_384]) {
      if ((await cpuMs(rule, part, units)) <= littleMs) continue;
      const longMs = await leastCpuMs(rule, part, units);
      if (longMs <= littleMs) continue;
      const shortMs = await leastCpuMs(rule, part, 256);
      if (longMs > 4 * shortMs + littleMs) {
        const times = `${Math.round(longMs)} ms, in short pieces ${Math.round(shortMs)} ms`;
        slow.push(`${JSON.stringify(part)}, ${units} characters: ${times}`);
      }
    }
  }
  return slow;
}

describe('the time of a text rule grows with the length of the text and no faster', () => {
  it.each(Object.entries(rules))('%s', async (_name, rule) => {
    expect(await slowParts(rule)).toEqual([]);
  });

  it('and this test finds a rule whose time grows with the square', async () => {
    const square = (text: string) => /(?:[a-z0-9-]+\.)+com\//.test(text);
    expect((await slowParts(square, ['a-'])).join()).toContain('"a-", 16384 characters');
  });
});
