import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const attemptWithinMs = 40_000;

/**
 * Calls the HTTP API as a careful client does while things break: a POST carries an Idempotency-Key, and what failed for want of a server is
 * tried again with the same key. Rejects with the last answer after `patienceMs`, or at once with one that will not change.
 */
export function patientApi(apiUrl: string, apiKey: string, patienceMs: number) {
  return async function ask(method: string, path: string, body?: unknown): Promise<string> {
    const key = randomUUID();
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await once(`${apiUrl}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...(method === 'POST' ? { 'idempotency-key': key } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (answer.ok) return answer.text;
      const words = `${method} ${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`;
      if (!mayChange(answer) || performance.now() > until) throw new Error(words);
      await sleep(300);
    }
  };
}

interface Outcome {
  ok: boolean;
  /** 0: there was none. */
  status: number;
  text: string;
}

async function once(url: string, init: RequestInit): Promise<Outcome> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(attemptWithinMs) });
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (error) {
    return { ok: false, status: 0, text: error instanceof Error ? error.message : String(error) };
  }
}

function mayChange({ status, text }: Outcome): boolean {
  return status === 0 || status >= 500 || status === 429 || text.includes('IDEMPOTENCY_IN_PROGRESS');
}
