import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Behaviour, Receiver } from './receiver.ts';
import { startWorld, type World } from './world.ts';

/** Ten times as fast: 15 s are 1.5 s. */
const factor = 10;
/** What a measurement on a busy machine may be off by, in its own time; whoever waits behind a dead endpoint waits for 15 s. */
const noiseMs = 9_000;

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor, invocations: 10 });
});
afterAll(() => world.stop());
beforeEach(() => world.newTenant());

/** 80 events, one each 10 ms of real time, to a good endpoint and one that behaves as asked; the good one's 95th percentile from event to arrival. */
async function p95Beside(how: () => Behaviour): Promise<{ p95Ms: number; asked: number; bad: Receiver }> {
  world.newTenant();
  const good = await world.receiver();
  const bad = await world.receiver();
  bad.behave(how);
  await world.endpoint(good.url);
  await world.endpoint(bad.url);
  const publishedAt = new Map<string, number>();
  for (let i = 0; i < 80; i++) {
    const event = world.event(`${bad.url} ${i}`);
    publishedAt.set(event.id, world.clock.nowMs());
    await world.publish([event]);
    await world.clock.sleep(10 * factor);
  }
  await world.runUntil(() => good.requests.length === 80);
  const asked = bad.requests.length;
  // Its retries would take invocations from the next measurement.
  bad.behave(() => ({ status: 200 }));
  await world.queues.idle();
  const delays = good.requests.map(({ id, at }) => at - (publishedAt.get(id) ?? 0)).sort((a, b) => a - b);
  return { p95Ms: delays[Math.floor(delays.length * 0.95)] ?? 0, asked, bad };
}

describe('beside a bad endpoint a good one', () => {
  let alone: number;
  beforeAll(async () => {
    alone = (await p95Beside(() => ({ status: 200 }))).p95Ms;
  });

  it.each<[string, () => Behaviour]>([
    ['that never answers', () => 'hang'],
    ['that takes 20 s', () => ({ status: 200, delayMs: 20_000 })],
    ['that answers 500 after 10 s', () => ({ status: 500, delayMs: 10_000 })],
  ])('%s is delivered to as quickly as ever', async (_, how) => {
    const { p95Ms, asked, bad } = await p95Beside(how);
    expect(p95Ms).toBeLessThan(1.2 * alone + noiseMs);
    // Four groups, ten messages each, is what an endpoint can have under way.
    expect(bad.mostOpen()).toBeLessThanOrEqual(40);
    // Not each event costs an attempt in vain.
    expect(asked).toBeLessThan(60);
  });
});

it('a slow answer is a timeout after 15 s, and tried again', async () => {
  const slow = await world.receiver();
  slow.behave((_, count) => ({ status: 200, delayMs: count === 1 ? 20_000 : 0 }));
  const endpoint = await world.endpoint(slow.url);
  await world.publish([world.event('slow')]);
  await world.runUntil(() => slow.requests.length === 2);
  await world.queues.idle();
  const [delivery] = await world.deliveries(endpoint);
  expect(delivery).toMatchObject({
    status: 'delivered',
    attempts: [{ status: null, error: 'timeout', response: null }, { status: 200 }],
  });
  expect(delivery?.attempts[0]?.durationMs).toBeGreaterThanOrEqual(14_900);
});

it('a rate limit holds, however many events there are', async () => {
  const limited = await world.receiver();
  await world.endpoint(limited.url, { rateLimitPerSec: 2 });
  await world.publish(Array.from({ length: 25 }, (_, i) => world.event(`limited ${i}`)));
  await world.runUntil(() => limited.requests.length === 25);
  const times = limited.requests.map(({ at }) => at).sort((a, b) => a - b);
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(11_500);
  // In no second more than two, and one for the moment at which a second begins.
  for (const at of times)
    expect(times.filter((other) => other >= at && other < at + 1000).length).toBeLessThanOrEqual(3);
});
