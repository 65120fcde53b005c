import { LocalFunction } from '../../local/functions/function.ts';

/** The calls of one function, and their milliseconds in all, each call rounded up to a whole one. */
export interface Invocations {
  name: string;
  count: number;
  ms: number;
}

/**
 * Counts the invocations of all functions of stacks in this process from now on, as Lambda would bill them. A local function serves several
 * at a time in one process, so they take rather longer here than where each has its own.
 */
export function watchInvocations(): () => Invocations[] {
  const seen = new Map<string, Invocations>();
  const { invoke } = LocalFunction.prototype;
  LocalFunction.prototype.invoke = async function (...given) {
    const startMs = performance.now();
    const outcome = await invoke.apply(this, given);
    if (outcome.kind === 'unavailable') return outcome;
    const one = seen.get(this.name) ?? { name: this.name, count: 0, ms: 0 };
    seen.set(this.name, { ...one, count: one.count + 1, ms: one.ms + Math.ceil(performance.now() - startMs) });
    return outcome;
  };
  return () => [...seen.values()];
}
