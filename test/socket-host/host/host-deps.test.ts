import { expect, it } from 'vitest';
import { describe } from '../../../socket-host/host/host-deps.ts';

it('an error is logged with 300 characters of its message, however many lines that has', () => {
  const error = new Error(`first line\n${'x'.repeat(400)}\nDear Anna, your code is 1234`);
  const logged = describe(error);
  expect(logged).toMatch(/^Error: first line\nx{100,300}/);
  expect(logged).not.toContain('Anna');
  expect(logged).toMatch(/ {4}at .*host-deps\.test\.ts/);
  expect(describe('y'.repeat(400)).length).toBeLessThanOrEqual(300);
});
