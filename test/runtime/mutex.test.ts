import { expect, it } from 'vitest';
import { semaphore } from '../../lib/runtime/mutex.ts';

it('a semaphore: so many at a time, in the order asked for, failures or not', async () => {
  const take = semaphore(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  let under = 0;
  let most = 0;
  const work = (n: number) =>
    take(async () => {
      begun.push(n);
      under += 1;
      most = Math.max(most, under);
      await new Promise<void>((resolve) => ends.push(resolve));
      under -= 1;
      if (n === 2) throw new Error('two');
      return n;
    });
  const all = Promise.allSettled([1, 2, 3, 4, 5].map(work));
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    ends[i]?.();
  }
  expect((await all).map((one) => (one.status === 'fulfilled' ? one.value : 'failed'))).toEqual([1, 'failed', 3, 4, 5]);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
  expect(await take(async () => 6)).toBe(6);
});
