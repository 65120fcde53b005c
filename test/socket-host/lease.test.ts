import { describe, expect, it } from 'vitest';
import { Lease } from '../../socket-host/lease.ts';
import { manualClock } from '../harness/manual-clock.ts';

it('counts from the last beat that was sent, in whatever order they are answered', async () => {
  const clock = manualClock();
  const lease = new Lease(clock);
  const first = lease.moment();
  await clock.advance(2_000);
  const second = lease.moment();
  await clock.advance(1_000);
  lease.renew(second);
  expect(lease.ageMs()).toBe(1_000);
  lease.renew(first);
  expect(lease.ageMs()).toBe(1_000);
});

describe('a lease is over as soon as one of the two clocks says so', () => {
  it.each([
    ['the wall clock was set, or the machine was suspended', 'nowMs'],
    ['the wall clock was set back while time went on', 'monotonicMs'],
  ] as const)('%s', (_, moves) => {
    let jumpMs = 0;
    const still = manualClock();
    const lease = new Lease({ ...still, [moves]: () => still[moves]() + jumpMs });
    jumpMs = 6_999;
    expect(lease.valid()).toBe(true);
    jumpMs = 7_000;
    expect(lease.ageMs()).toBe(7_000);
    expect(lease.valid()).toBe(false);
    jumpMs = 0;
    expect(lease.valid()).toBe(false);
  });
});

it('is over 7 s after the last beat, and stays so', async () => {
  const clock = manualClock();
  const lease = new Lease(clock);
  await clock.advance(6_999);
  expect(lease.valid()).toBe(true);
  await clock.advance(1);
  expect(lease.valid()).toBe(false);
  lease.renew(lease.moment());
  expect(lease.valid()).toBe(false);
});
