import { expect, it } from 'vitest';
import { added, appended, given, patch, unlessSet } from '../../../lib/aws/client/patch.ts';

it('sets what has a value, and removes what is undefined', () => {
  expect(patch({ status: 'connected', statusReason: undefined, link: null, ix: undefined })).toEqual({
    update: 'SET #status = :status, #link = :link REMOVE #statusReason, #ix',
    names: { '#status': 'status', '#statusReason': 'statusReason', '#link': 'link', '#ix': 'ix' },
    values: { ':status': 'connected', ':link': null },
  });
});

it('leaves out what it has no use for', () => {
  expect(patch({ owner: 'hst_1' }).update).toBe('SET #owner = :owner');
  expect(patch({ owner: undefined })).toEqual({ update: 'REMOVE #owner', names: { '#owner': 'owner' }, values: {} });
  expect(patch({ epoch: added(1) }).update).toBe('ADD #epoch :epoch');
  expect(() => patch({})).toThrow(RangeError);
});

it('adds, appends, and sets what has no value yet', () => {
  expect(patch({ total: added(-2), attempts: appended([{ at: 5 }]), startedAt: unlessSet(7) })).toEqual({
    update:
      'SET #attempts = list_append(#attempts, :attempts), #startedAt = if_not_exists(#startedAt, :startedAt) ADD #total :total',
    names: { '#total': 'total', '#attempts': 'attempts', '#startedAt': 'startedAt' },
    values: { ':total': -2, ':attempts': [{ at: 5 }], ':startedAt': 7 },
  });
});

it('takes from a request what was given; null removes only what can be removed', () => {
  const fields = given({ name: 'x', rateLimit: null, planId: null, language: undefined }, (name) => name === 'planId');
  expect(Object.entries(fields)).toEqual([
    ['name', 'x'],
    ['rateLimit', null],
    ['planId', undefined],
  ]);
});
