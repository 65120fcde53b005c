import { inspect } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { ConditionFailed } from '../../../lib/aws/client/table.ts';
import { createLogger } from '../../../lib/runtime/logger.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('a condition that did not hold can be logged: the item it names, texts and secrets in it, stays out', () => {
  const lines: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
  }
  const error = new ConditionFailed([false, true], [undefined, { text: 'Dear Ann', secrets: ['whsec_hush'] }]);
  expect(error.olds[1]).toEqual({ text: 'Dear Ann', secrets: ['whsec_hush'] });
  createLogger('test', 'info').error('a write failed', { error });
  vi.restoreAllMocks();
  expect(lines.join()).toContain('the conditions of write 1 did not hold');
  for (const shown of [lines.join(), JSON.stringify(error), inspect(error)]) {
    expect(shown).not.toMatch(/Dear Ann|whsec_hush/);
  }
});
