/**
 * Time line of one check of an open connection, from the question to the server:
 *
 *   0 ---- slowAfterMs ---- lostAfterMs ---- failedAfterMs ---- checkEveryMs
 *   asked       |                |                 |                 the next question
 *               |                |                 no answer, though the server sends other things: an error
 *               |                nothing came since the question: the connection is dead
 *               answered later than this: slow
 *
 * A connection that dies right after an answer is noticed 40 s later. One that dies right before a question is noticed 10 s later.
 */
export const checkEveryMs = 30_000;
export const slowAfterMs = 5_000;
export const lostAfterMs = 10_000;
export const failedAfterMs = 20_000;
/** A connection with more errors than this is closed and opened again. */
export const maxCheckErrors = 5;
/** The warning about slow answers is removed after this many fast ones in a row, which take five minutes. */
export const fastAfterSlow = 10;
/** An account that sends and receives nothing for longer than this gets a warning. */
export const idleAfterMs = 24 * 3_600_000;

/** Warnings of the account, as the tenant reads them. */
export const slowWarning = 'WhatsApp answers slowly: a connection check took longer than 5 seconds.';
export const idleWarning = 'Nothing has been sent or received for more than 24 hours.';

/** Judges a question without an answer. `askedForMs`: how long ago it was sent. `heard`: the server has sent anything since. */
export function judgeWait(askedForMs: number, heard: boolean): 'wait' | 'lost' | 'failed' {
  if (askedForMs >= lostAfterMs && !heard) return 'lost';
  return askedForMs >= failedAfterMs ? 'failed' : 'wait';
}
