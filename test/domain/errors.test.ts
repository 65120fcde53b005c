import { expect, test } from 'vitest';
import { PacelineError } from '../../lib/domain/errors.ts';

test('an error carries its code, what to do, the fields and the cause', () => {
  const cause = new Error('inner');
  const errors = [{ path: '/recipients/0/to', row: 1, code: 'INVALID_NUMBER', message: 'no number' }] as const;
  const error = new PacelineError('VALIDATION', 'Correct the rows named.', { errors, cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'PacelineError',
    code: 'VALIDATION',
    detail: 'Correct the rows named.',
    errors,
    cause,
  });
  expect(error.message).toBe('VALIDATION: Correct the rows named.');
});

test('without a cause there is none', () => {
  const error = new PacelineError('NOT_FOUND', 'There is no such contract.');
  expect('cause' in error).toBe(false);
  expect(error.errors).toBeUndefined();
});
