import { afterEach, expect, it } from 'vitest';
import { inboundLines } from '../../../socket-host/inbound/lines.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { manualClock } from '../../harness/manual-clock.ts';

let ending: AbortController;
let ended: Promise<void>;

function start() {
  const metrics = createMetrics();
  const clock = manualClock();
  const lines: object[] = [];
  const quiet = () => undefined;
  const logger = { debug: quiet, warn: quiet, error: quiet, info: (fields: object) => void lines.push(fields) };
  ending = new AbortController();
  ended = inboundLines({ metrics, logger, clock }, ending.signal);
  const came = (result: string, times: number) => metrics.inbound.inc({ result }, times);
  return { clock, lines, came };
}

afterEach(async () => {
  ending.abort();
  await ended;
});

it('says each minute what came for the first time and what was stored of it, and nothing while nobody writes', async () => {
  const { clock, lines, came } = start();
  await clock.advance(180_000);
  expect(lines).toEqual([]);
  came('received', 7);
  came('stored', 4);
  came('repeated', 2);
  came('undecryptable', 5);
  await clock.advance(59_000);
  await clock.advance(2_000);
  expect(lines).toEqual([{ inbound: { received: 5, stored: 4 } }]);
  await clock.advance(120_000);
  expect(lines).toHaveLength(1);
  came('stored', 1);
  await clock.advance(60_000);
  expect(lines.slice(1)).toEqual([{ inbound: { received: 0, stored: 1 } }]);
});

it('says the rest when the host ends, and never less than nothing', async () => {
  const { clock, lines, came } = start();
  await clock.advance(10_000);
  came('received', 3);
  came('stored', 3);
  came('repeated', 4);
  ending.abort();
  await ended;
  expect(lines).toEqual([{ inbound: { received: 0, stored: 3 } }]);
});
