import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../lib/runtime/clock.ts';
import { rowsTo } from '../factories.ts';
import { type Gateway, startGateway } from '../harness/gateway.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { until } from '../harness/until.ts';

/** Sixty seconds of the host's clock pass in one second. */
const factor = 30;
/** On a busy machine an entry grows stale in the host's hands. The lane, on a clock of its own, shows it again after 30 s. */
const patientMs = 75_000;

describe('default pacing, on a clock that runs faster', () => {
  let gateway: Gateway;
  let clock: Clock;
  beforeAll(async () => {
    clock = scaledClock(factor);
    gateway = await startGateway(clock);
    await gateway.host();
  });
  afterAll(() => gateway.stop());

  it('keeps gaps of 3 to 8 s and rests 30 to 120 s after each five, from wire to wire', async () => {
    const account = await gateway.account({ useLimits: true });
    await gateway.contract(account, rowsTo(12));
    await until('all on the wire', async () => gateway.wire.length === 12);
    const gaps = gateway.wire.slice(1).map((message, i) => (message.at - (gateway.wire[i]?.at ?? 0)) / 1000);
    // A scaled clock multiplies a timer's millisecond to 0.03 s, and the time a step takes in this process to up to 3 s.
    const rests = (at: number) => (at + 1) % 5 === 0;
    for (const [at, gap] of gaps.entries()) expect(gap).toBeGreaterThan(rests(at) ? 32.9 : 2.9);
    // A machine that stands still for 0.1 s makes one gap longer.
    const late = gaps.filter((gap, at) => gap > (rests(at) ? 131 : 11));
    expect(late.length, String(gaps)).toBeLessThanOrEqual(1);
  }, 150_000);

  it('counts the gap from the wire also when making a message ready for it takes long', async () => {
    gateway.wire.length = 0;
    const account = await gateway.account({
      useLimits: true,
      pacing: { gapMs: [3000, 3000], restEvery: null, perMinute: null, delayMs: [0, 0], warmUp: false },
    });
    await gateway.contract(account, rowsTo(6, 300));
    await until('a session', async () => gateway.sessions.has(account.id), 10_000, 1);
    let sent = 0;
    gateway.sessions.get(account.id)?.withhold(async () => {
      sent += 1;
      if (sent % 2 === 1) await clock.sleep(2_000);
      return false;
    });
    await until('all on the wire', async () => gateway.wire.length === 6, patientMs);
    const gaps = gateway.wire.slice(1).map((message, i) => (message.at - (gateway.wire[i]?.at ?? 0)) / 1000);
    for (const gap of gaps) expect(gap).toBeGreaterThan(2.9);
  }, 90_000);

  it('sends one a second when configured so', async () => {
    gateway.wire.length = 0;
    const account = await gateway.account({
      useLimits: true,
      pacing: { perMinute: 60, gapMs: [1000, 1000], restEvery: null, delayMs: [0, 0], warmUp: false },
    });
    await gateway.contract(account, rowsTo(30, 100));
    await until('all on the wire', async () => gateway.wire.length === 30, patientMs);
    const [first, last] = [gateway.wire[0]?.at ?? 0, gateway.wire[29]?.at ?? 0];
    expect((last - first) / 1000).toBeGreaterThan(28.5);
  }, 90_000);

  it('stops at the cap of the first day, and goes on in the next', async () => {
    gateway.wire.length = 0;
    const account = await gateway.account({
      useLimits: true,
      pacedSince: Date.now() - 23 * 3_600_000,
      pacing: { gapMs: [0, 0], restEvery: null, perMinute: null, delayMs: [0, 0] },
    });
    await gateway.contract(account, rowsTo(25, 200));
    await until('the cap', async () => gateway.wire.length === 20, patientMs);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(gateway.wire).toHaveLength(20);
  }, 90_000);
});
