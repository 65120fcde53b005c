/**
 * Shifts the clock of this process: `Date` returns the time plus an offset; timers and `performance` stay unchanged. When preloaded, this file takes
 * the offset from CLOCK_OFFSET_MS:  NODE_OPTIONS="--import <url of this file>".
 */
export function shiftClock(offsetMs: number): void {
  const realNow = Date.now;
  Date.now = () => realNow() + offsetMs;
  globalThis.Date = new Proxy(Date, {
    construct: (target, given, newTarget) =>
      Reflect.construct(target, given.length === 0 ? [Date.now()] : given, newTarget),
  });
}

/** Returns an environment in which each Node process has the shifted clock. */
export function shiftedClock(offsetMs: number): Record<string, string> {
  return { CLOCK_OFFSET_MS: String(offsetMs), NODE_OPTIONS: `--import ${import.meta.url}` };
}

const { CLOCK_OFFSET_MS: offset } = process.env;
if (offset !== undefined) shiftClock(Number(offset));
