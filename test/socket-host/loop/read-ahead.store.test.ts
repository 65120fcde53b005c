import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LaneEntry } from '../../../lib/aws/accounts/lanes.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { textOf } from '../../../lib/domain/content.ts';
import { ReadAhead } from '../../../socket-host/loop/read-ahead.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';

let emulators: Emulators;
beforeAll(async () => {
  emulators = await startEmulators();
});
afterAll(() => emulators.stop());

const entry = (m: string, seq: number): LaneEntry => ({ t: 'ten', a: 'acc', m, c: 'con', seq });

async function queued(id: string, feedSeq: number): Promise<void> {
  const { table } = emulators.deps;
  await table.put({ ...keys.message('ten', id), type: 'message', id, feedSeq, state: 'QUEUED' });
  await table.put({ ...keys.text('ten', id), type: 'text', text: `Text of ${id}` });
}

// SQS gives as many of a group as it can, and a group is a recipient: what was fed again comes with what was fed first.
it('reads entries of the same message together, once fed and once fed again', async () => {
  await queued('m1', 2);
  await queued('m2', 2);
  const ahead = new ReadAhead(emulators.deps.table);
  const entries = [entry('m1', 1), entry('m1', 2), entry('m2', 1), entry('m2', 2)];
  const read = [];
  for (const [at, one] of entries.entries()) {
    const { message, content } = await ahead.read(one, entries.slice(at + 1), 0);
    read.push([message?.id, message?.feedSeq, content && textOf(content)]);
  }
  expect(read).toEqual([
    ['m1', 2, 'Text of m1'],
    ['m1', 2, 'Text of m1'],
    ['m2', 2, 'Text of m2'],
    ['m2', 2, 'Text of m2'],
  ]);
});
