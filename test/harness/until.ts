/** The limit for a test that fails. A test that passes never waits this long. */
const givenUpAfterMs = 120_000;
const seldomestMs = 100;

/**
 * Calls `ask` until its result is neither undefined nor false, and returns the result. Throws with `what` after `timeoutMs`. The wait between two
 * calls is a tenth of the time since the first one, 20 to 100 ms: each call slows the tested code. `everyMs` is for states that last only shortly.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  timeoutMs = givenUpAfterMs,
  everyMs?: number,
): Promise<T> {
  const start = Date.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    const passedMs = Date.now() - start;
    if (passedMs > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    const waitMs = everyMs ?? Math.min(seldomestMs, Math.max(20, passedMs / 10));
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
