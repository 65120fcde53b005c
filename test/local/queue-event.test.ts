import { expect, test } from 'vitest';
import { doneRecords, type QueueRecord, queueRecord } from '../../local/sources/queue-event.ts';

const record = (id: string, group?: string): QueueRecord =>
  queueRecord({ MessageId: id, Body: id, Attributes: group === undefined ? {} : { MessageGroupId: group } }, 'arn');
const report = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });
const done = (records: QueueRecord[], answer: unknown, reports = true) =>
  doneRecords(records, answer, reports).map((one) => one.messageId);

test('a failed message stops the later ones of its group and no other group', () => {
  const batch = [record('a1', 'a'), record('b1', 'b'), record('a2', 'a'), record('a3', 'a'), record('b2', 'b')];
  expect(done(batch, report('a2'))).toEqual(['a1', 'b1', 'b2']);
});

test('a standard queue keeps only what was reported', () => {
  expect(done([record('1'), record('2'), record('3')], report('2'))).toEqual(['1', '3']);
});

test('no report, or one with nothing in it, is a success; a malformed one or an unknown id fails all', () => {
  const batch = [record('1'), record('2')];
  expect(done(batch, undefined)).toEqual(['1', '2']);
  expect(done(batch, { batchItemFailures: null })).toEqual(['1', '2']);
  expect(done(batch, report())).toEqual(['1', '2']);
  expect(done(batch, report(''))).toEqual([]);
  expect(done(batch, { batchItemFailures: [{}] })).toEqual([]);
  expect(done(batch, report('unknown'))).toEqual([]);
});

test('without ReportBatchItemFailures the answer does not matter', () => {
  expect(done([record('1')], report('1'), false)).toEqual(['1']);
});
