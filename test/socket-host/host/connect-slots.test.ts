import { expect, it } from 'vitest';
import { hostConfig } from '../../../lib/runtime/config.ts';
import { ConnectSlots } from '../../../socket-host/host/connect-slots.ts';
import { manualClock } from '../../harness/manual-clock.ts';

const never = new AbortController().signal;

/** Slots at ten a second; `openedAtMs` grows as connections may open. */
function slotsWith(random: () => number) {
  const clock = manualClock();
  const slots = new ConnectSlots(clock, random, 10);
  const openedAtMs: number[] = [];
  const take = async (signal = never): Promise<void> => {
    await slots.take(signal);
    if (!signal.aborted) openedAtMs.push(clock.monotonicMs());
  };
  return { clock, take, openedAtMs };
}

it('lets the first connection open at once and the others at ten a second', async () => {
  const { clock, take, openedAtMs } = slotsWith(() => 0);
  for (let i = 0; i < 5; i++) void take();
  await clock.advance(10_000);
  expect(openedAtMs).toEqual([0, 100, 200, 300, 400]);
});

it('saves nothing up in a quiet time', async () => {
  const { clock, take, openedAtMs } = slotsWith(() => 0);
  void take();
  await clock.advance(60_000);
  for (let i = 0; i < 3; i++) void take();
  await clock.advance(1_000);
  expect(openedAtMs).toEqual([0, 60_000, 60_100, 60_200]);
});

it('lets each that waits open up to a tenth of a second later than its slot, without holding up those behind it', async () => {
  const randoms = [0.5, 0, 0.99, 0.25];
  const { clock, take, openedAtMs } = slotsWith(() => randoms.shift() ?? 0);
  for (let i = 0; i < 5; i++) void take();
  await clock.advance(10_000);
  expect(openedAtMs).toEqual([0, 150, 200, 399, 425]);
});

it('gives the slot of one that does not wait for it to the next who asks', async () => {
  const { clock, take, openedAtMs } = slotsWith(() => 0);
  const leaving = new AbortController();
  void take();
  const left = [take(leaving.signal), take(leaving.signal)];
  void take();
  await clock.advance(50);
  leaving.abort();
  await Promise.all(left);
  for (let i = 0; i < 3; i++) void take();
  await clock.advance(10_000);
  expect(openedAtMs).toEqual([0, 100, 200, 300, 400]);
});

it('keeps no slot for one that had gone before it asked', async () => {
  const { clock, take, openedAtMs } = slotsWith(() => 0);
  await take(AbortSignal.abort());
  void take();
  await clock.advance(1_000);
  expect(openedAtMs).toEqual([0]);
});

it('is ten a second unless CONNECTS_PER_SEC says otherwise', () => {
  const env = {
    STAGE: 'local',
    TABLE_NAME: 'table',
    PAGES_BUCKET: 'pages',
    AUTH_BUCKET: 'auth',
    FEED_QUEUE_URL: 'http://127.0.0.1/feed',
    LANE_PREFIX: 'lane-',
    WAKE_QUEUE_PREFIX: 'inbox-',
    LANE_DLQ_ARN: 'arn:aws:sqs:us-east-1:000000000000:dlq',
  };
  expect(hostConfig(env).CONNECTS_PER_SEC).toBe(10);
  expect(hostConfig({ ...env, CONNECTS_PER_SEC: '2.5' }).CONNECTS_PER_SEC).toBe(2.5);
});
