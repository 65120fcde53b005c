import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Hold } from '../../../lib/aws/hosts/ownership.ts';
import { ConnectionCheck, ConnectionChecks } from '../../../socket-host/connection/check.ts';
import { ConnectionEvents } from '../../../socket-host/connection/events.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { type ManualClock, manualClock } from '../../harness/manual-clock.ts';

const dayMs = 24 * 3_600_000;
const slow = 'WhatsApp answers slowly: a connection check took longer than 5 seconds.';
const idle = 'Nothing has been sent or received for more than 24 hours.';

describe('a connection that is checked', () => {
  let clock: ManualClock;
  let checks: ConnectionChecks;
  let stop: AbortController;
  let running: Promise<void>;
  let deps: HostDeps;
  beforeEach(() => {
    clock = manualClock();
    checks = new ConnectionChecks();
    stop = new AbortController();
    running = checks.run(clock, stop.signal);
    // No part of the outside world but these: a check does no I/O.
    deps = { clock, metrics: createMetrics(), random: () => 0.5, lease: { valid: () => true } } as unknown as HostDeps;
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** A connection whose first check is due after 15 s; `answer` is the time the server takes, in ms. */
  function connected(answer: () => number | 'refused' | 'silence', options = { silentForMs: 0 }) {
    const hold = { tenantId: 'ten_1', accountId: 'acc_1', hostId: 'hst_1', epoch: 1 } satisfies Hold;
    const events = new ConnectionEvents(deps, hold, clock.nowMs() - options.silentForMs);
    const seen = { asked: [] as number[], warnings: new Set<string>(), useless: [] as [string, number][] };
    const line = {
      heard: 0,
      ping(): Promise<void> {
        seen.asked.push(clock.monotonicMs());
        const ms = answer();
        if (ms === 'silence') return new Promise(() => {});
        return clock.sleep(ms === 'refused' ? 10 : ms).then(() => {
          line.heard += 1;
          if (ms === 'refused') throw new Error('refused');
        });
      },
    };
    const check = new ConnectionCheck(
      {
        deps,
        events,
        warn: (warning, holds) => void (holds ? seen.warnings.add(warning) : seen.warnings.delete(warning)),
        useless: (why) => seen.useless.push([why, clock.monotonicMs()]),
      },
      line,
    );
    checks.add(check);
    return { seen, line, check, events };
  }

  const resultsOf = async () => {
    const { values } = await deps.metrics.connectionChecks.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
  };

  it('is asked every 30 s, from a random moment of the first 30 on, and nothing is said while all is well', async () => {
    const { seen } = connected(() => 80);
    await clock.advance(120_000);
    expect(seen.asked).toEqual([15_000, 45_000, 75_000, 105_000]);
    expect(seen.warnings).toEqual(new Set());
    expect(seen.useless).toEqual([]);
    expect(await resultsOf()).toEqual({ ok: 4, slow: 0, failed: 0 });
  });

  it('is lost when nothing comes: 40 s after the last answer', async () => {
    let alive = true;
    const { seen } = connected(() => (alive ? 80 : 'silence'));
    await clock.advance(15_500);
    alive = false;
    await clock.advance(60_000);
    expect(seen.useless).toEqual([['lost', 55_000]]);
    expect(seen.asked).toEqual([15_000, 45_000]);
  });

  it('is of no use after more than five checks without an answer, though the server sends other things', async () => {
    const { seen, line } = connected(() => 'silence');
    const chatter = new AbortController();
    const talking = (async () => {
      while (!chatter.signal.aborted) {
        await clock.sleep(4_000, chatter.signal);
        line.heard += 1;
      }
    })();
    await clock.advance(15_000 + 5 * 30_000 + 19_000);
    expect(seen.useless).toEqual([]);
    expect(seen.warnings).toEqual(new Set([slow]));
    await clock.advance(1_000);
    expect(seen.useless).toEqual([['errors', 185_000]]);
    await clock.advance(120_000);
    expect(seen.useless).toHaveLength(1);
    expect(await resultsOf()).toEqual({ ok: 0, slow: 0, failed: 6 });
    chatter.abort();
    await talking;
  });

  it('counts refused checks and queries as errors, and answers as their end', async () => {
    const answers: (number | 'refused')[] = ['refused', 'refused', 50, 50, 50];
    const { seen, check, events } = connected(() => answers.shift() ?? 50);
    await clock.advance(150_000);
    for (let i = 0; i < 5; i++) check.queryFailed();
    check.good();
    check.queryFailed();
    expect(seen.useless).toEqual([]);
    check.queryFailed();
    expect(seen.useless).toEqual([['errors', 150_000]]);
    expect(events.list().map(({ kind }) => kind)).toEqual([
      ...['check_failed', 'check_failed', 'check', 'check', 'check'],
      ...Array(7).fill('query_failed'),
    ]);
  });

  it('is slow above 5 s, until five minutes of fast answers have gone by', async () => {
    const answers = [5_000, 5_001];
    const { seen } = connected(() => answers.shift() ?? 100);
    await clock.advance(30_000);
    expect(seen.warnings).toEqual(new Set());
    await clock.advance(30_000);
    expect(seen.warnings).toEqual(new Set([slow]));
    await clock.advance(9 * 30_000);
    expect(seen.warnings).toEqual(new Set([slow]));
    await clock.advance(30_000);
    expect(seen.warnings).toEqual(new Set());
    expect(await resultsOf()).toEqual({ ok: 11, slow: 1, failed: 0 });
  });

  it('is idle when nothing was sent or received for more than 24 hours, and no longer once something is', async () => {
    const { seen, events } = connected(() => 50, { silentForMs: dayMs - 45_000 });
    await clock.advance(45_000);
    expect(seen.warnings).toEqual(new Set());
    await clock.advance(30_000);
    expect(seen.warnings).toEqual(new Set([idle]));
    events.active();
    await clock.advance(30_000);
    expect(seen.warnings).toEqual(new Set());
  });

  it('is not taken for lost because this process stood still', async () => {
    const { seen, check, line } = connected(() => 'silence');
    await clock.advance(15_000);
    // The look after a minute of standstill comes before the answer that waits is read; the next one comes after it.
    check.tick(75_000, true);
    line.heard += 1;
    check.tick(76_000, false);
    expect(seen.useless).toEqual([]);
  });

  it('is asked nothing before it is logged in, and nothing more once it is closed', async () => {
    const { seen, check, line } = connected(() => 50);
    const { ping } = line;
    Object.assign(line, { ping: () => undefined });
    await clock.advance(20_000);
    Object.assign(line, { ping });
    await clock.advance(2_000);
    expect(seen.asked).toEqual([21_000]);
    checks.delete(check);
    await clock.advance(120_000);
    expect(seen.asked).toHaveLength(1);
  });
});
