import { expect, it } from 'vitest';
import { heldUntil, withHoldWarning } from '../../lib/domain/first-contacts.ts';

const now = Date.UTC(2026, 10, 30, 12);
const hour = 3_600_000;

it.each([
  ['the time WhatsApp names', now + hour, now + hour],
  ['a day where it names none', undefined, now + 24 * hour],
  ['a day where that time is over', now - hour, now + 24 * hour],
  ['a day where it is no time', Number.NaN, now + 24 * hour],
  ['a month at most', Date.UTC(9999, 0, 1), now + 720 * hour],
])('first contacts are held until %s', (_what, named, expected) => {
  expect(heldUntil(named, now)).toBe(expected);
});

it('an account has one warning of it, the newest, and none when it is over', () => {
  const held = withHoldWarning(withHoldWarning(['Another.'], now), now + hour);
  expect(held).toEqual([
    'Another.',
    'WhatsApp refuses messages of this account to people it has no chat with (463): such messages wait until 2026-11-30T13:00:00.000Z and are tried again then; all others are sent.',
  ]);
  expect(withHoldWarning(held, undefined)).toEqual(['Another.']);
});
