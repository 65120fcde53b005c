import { expect, it } from 'vitest';
import { deliverInbound } from '../../bench/inbound/delivery.ts';

/** Short; `node bench/inbound.ts` does the same with 10,000 messages, 50 accounts and two kills. */
it('delivers what people write exactly once, though the host is killed while they write', async () => {
  const lines: string[] = [];
  const { failures, ...counts } = await deliverInbound({
    messages: 500,
    accounts: 5,
    people: 10,
    burst: 4,
    perSec: 100,
    kills: 1,
    withinMs: 60_000,
    say: (line) => lines.push(line),
  });
  expect(failures, lines.join('\n')).toEqual([]);
  expect(counts).toMatchObject({ written: 500, delivered: 500 });
  // Batched, and some came again.
  expect(counts.events).toBeLessThan(400);
  expect(counts.refused).toBeGreaterThan(0);
  expect(counts.requests).toBeGreaterThanOrEqual(counts.events + counts.refused);
}, 150_000);
