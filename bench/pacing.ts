import { startWorld } from '../test/harness/local-stack.ts';
import { fictionalNumbers } from './fictional-numbers.ts';

/**
 * Default pacing in real time, measured at the phones: one contract of 12 messages from an account with the default limits.
 *   node bench/pacing.ts
 * Takes three to six minutes. Exits with 1 when a gap is outside the default policy (docs/benchmarks.md, Pacing).
 */
const messages = 12;
const gapSec = [3, 8] as const;
const restEvery = 5;
const restSec = [30, 120] as const;
const perMinute = 20;
/** The tolerance for the way to the phone and a busy machine. */
const toleranceSec = 0.3;
const doneWithinMs = 10 * 60_000;

interface Gap {
  after: number;
  seconds: number;
  lowSec: number;
  highSec: number;
}

/** The gap between one send and the next, and its bounds. */
function gapsOf(timesMs: number[]): Gap[] {
  return timesMs.slice(1).map((atMs, i) => {
    const rests = (i + 1) % restEvery === 0;
    return {
      after: i + 1,
      seconds: (atMs - (timesMs[i] ?? atMs)) / 1000,
      lowSec: gapSec[0] + (rests ? restSec[0] : 0),
      highSec: gapSec[1] + (rests ? restSec[1] : 0),
    };
  });
}

/** The most sends in any 60 s. */
function mostInAMinute(timesMs: number[]): number {
  return Math.max(...timesMs.map((from) => timesMs.filter((at) => at >= from && at < from + 60_000).length));
}

const isKept = ({ seconds, lowSec, highSec }: Gap): boolean =>
  seconds >= lowSec - toleranceSec && seconds <= highSec + toleranceSec;

const [sender = '', ...to] = fictionalNumbers(messages + 1);
const world = await startWorld();
try {
  const accountId = await world.linked(sender, {});
  const startedMs = Date.now();
  const recipients = to.map((phoneNumber, i) => ({ phoneNumber, message: `Paced message ${i + 1} of ${messages}` }));
  const { id } = await world.contract(accountId, recipients);
  const ended = await world.ended(id, doneWithinMs);
  const received = (await Promise.all(to.map((number) => world.received(number)))).flat();
  const timesMs = received.map(({ receivedAt }) => Date.parse(receivedAt)).sort((a, b) => a - b);
  const gaps = gapsOf(timesMs);
  console.table(
    gaps.map((gap) => ({
      'after message': gap.after,
      'gap s': gap.seconds.toFixed(2),
      allowed: `${gap.lowSec}-${gap.highSec}`,
      kept: isKept(gap),
    })),
  );
  const most = mostInAMinute(timesMs);
  const complete = timesMs.length === messages && ended.status === 'COMPLETED';
  const passed = complete && gaps.every(isKept) && most <= perMinute;
  const firstSec = (((timesMs[0] ?? Number.NaN) - startedMs) / 1000).toFixed(1);
  console.log(
    `${timesMs.length} of ${messages} messages came, the first after ${firstSec} s; most in any 60 s: ${most} of ${perMinute} allowed.`,
  );
  console.log(passed ? 'PASS' : 'FAIL');
  process.exitCode = passed ? 0 : 1;
} finally {
  await world.stop();
}
