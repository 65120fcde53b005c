/**
 * Time line of one check of an open connection, from the question to the server:
 *
 *   0 ---- slowAfterMs ---- lostAfterMs ---- failedAfterMs ---- checkEveryMs
 *   asked       |                |                 |                 the next question
 *               |                |                 no answer, though the server sends other things: an error
 *               |                nothing at all came since: the line is dead
 *               answered later than this: slow
 *
 * So a line that dies right after an answer is noticed 40 s later, one that dies before a question 10 s after it.
 */
export const checkEveryMs = 30_000;
export const slowAfterMs = 5_000;
export const lostAfterMs = 10_000;
export const failedAfterMs = 20_000;
/** More errors than this on one connection: it is closed and opened anew. */
export const maxCheckErrors = 5;
/** The warning about slow answers goes after so many fast ones in a row: five minutes. */
export const fastAfterSlow = 10;
/** Nothing sent and nothing received for longer than this is worth a warning. */
export const idleAfterMs = 24 * 3_600_000;

/** Warnings of the account, as the tenant reads them. */
export const slowWarning = 'WhatsApp answers slowly: a connection check took longer than 5 seconds.';
export const idleWarning = 'Nothing has been sent or received for more than 24 hours.';

/** Judges a question that is not answered yet. `heard`: anything has come from the server since. */
export function judgeWait(askedForMs: number, heard: boolean): 'wait' | 'lost' | 'failed' {
  if (askedForMs >= lostAfterMs && !heard) return 'lost';
  return askedForMs >= failedAfterMs ? 'failed' : 'wait';
}
