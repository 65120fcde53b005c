/** A test that passes never waits so long: it only bounds one that fails. */
const givenUpAfterMs = 60_000;
const seldomestMs = 100;

/**
 * Asks until the answer is neither undefined nor false, and returns it; throws with `what` after `timeoutMs`. Between two questions passes a tenth
 * of the time since the first one, 20 to 100 ms: a question costs what the tested code needs. `everyMs` is for moments that would be missed.
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
