import { type Clock, systemClock } from '../../lib/runtime/clock.ts';

/** Returns a clock on which `factor` seconds pass in one real second, starting from now. */
export function scaledClock(factor: number): Clock {
  const startWall = systemClock.nowMs();
  const startMono = systemClock.monotonicMs();
  const passed = () => (systemClock.monotonicMs() - startMono) * factor;
  return {
    nowMs: () => Math.floor(startWall + passed()),
    monotonicMs: passed,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}
