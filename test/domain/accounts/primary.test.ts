import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canBePrimary, primaryAmong } from '../../../lib/domain/accounts/primary.ts';

const linked = { linkedAt: 1, desired: 'connected' as const };

it('the primary account has the lowest priority number, of two equal ones the lower id', () => {
  const accounts = [
    { id: 'acc_3', priority: 5, ...linked },
    { id: 'acc_2', priority: 1, ...linked },
    { id: 'acc_1', priority: 1, ...linked },
    { id: 'acc_0', priority: 0, desired: 'connected' as const },
  ];
  expect(primaryAmong(accounts)?.id).toBe('acc_1');
});

it('an account that is not linked, is to be disconnected, or is deleted, is never primary', () => {
  expect(canBePrimary({ id: 'a', priority: 1, desired: 'connected' })).toBe(false);
  expect(canBePrimary({ id: 'a', priority: 1, ...linked, desired: 'disconnected' })).toBe(false);
  expect(canBePrimary({ id: 'a', priority: 1, ...linked, desired: 'logged_out' })).toBe(false);
  expect(canBePrimary({ id: 'a', priority: 1, ...linked, deletedAt: 2 })).toBe(false);
  expect(canBePrimary({ id: 'a', priority: 1, ...linked })).toBe(true);
  expect(primaryAmong([])).toBeUndefined();
});

it('the order in which accounts are read does not matter', () => {
  const account = fc.record({ id: fc.stringMatching(/^acc_[0-9A-Z]{3}$/), priority: fc.integer({ min: 1, max: 3 }) });
  const list = fc.uniqueArray(account, { selector: ({ id }) => id, minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(list, fc.nat(), (accounts, turn) => {
      const all = accounts.map((one) => ({ ...one, ...linked }));
      const at = turn % all.length;
      expect(primaryAmong([...all.slice(at), ...all.slice(0, at)])).toEqual(primaryAmong(all));
    }),
  );
});
