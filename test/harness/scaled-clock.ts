import { type Clock, systemClock } from '../../lib/runtime/clock.ts';

/** Returns a clock on which `factor` seconds pass in one real second, starting from now. `jumpTo` lets it stand at a later time (epoch ms) at once. */
export function scaledClock(factor: number): Clock & { jumpTo(ms: number): void } {
  const startWall = systemClock.nowMs();
  const startMono = systemClock.monotonicMs();
  let jumped = 0;
  const passed = () => (systemClock.monotonicMs() - startMono) * factor + jumped;
  const nowMs = () => Math.floor(startWall + passed());
  return {
    nowMs,
    monotonicMs: passed,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
    jumpTo(ms) {
      jumped += Math.max(0, ms - nowMs());
    },
  };
}
