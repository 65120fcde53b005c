import type { PacelineEvent } from '../../lib/domain/event-types.ts';
import {
  type Attempt,
  type AttemptError,
  classify,
  responseBytes,
  responseText,
  type Verdict,
} from '../../lib/domain/webhooks/answer.ts';
import { type Endpoint, signingSecrets } from '../../lib/domain/webhooks/endpoint.ts';
import { signedHeaders } from '../../lib/domain/webhooks/signature.ts';
import { EgressFailed, EgressRefused } from '../../lib/runtime/egress/errors.ts';
import type { WebhookDeps } from './deps.ts';

/** Makes one signed POST of an event to its endpoint and classifies the answer. Redirects are not followed. */
export async function attempt(
  deps: Pick<WebhookDeps, 'egress' | 'clock' | 'timeoutMs' | 'userAgent'>,
  endpoint: Endpoint,
  event: PacelineEvent,
): Promise<{ attempt: Attempt; verdict: Verdict }> {
  const at = deps.clock.nowMs();
  const body = JSON.stringify({ type: event.type, timestamp: new Date(event.at).toISOString(), data: event.data });
  const own = Object.entries(endpoint.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
  const headers = {
    'user-agent': deps.userAgent,
    ...Object.fromEntries(own),
    'content-type': 'application/json',
    ...signedHeaders({ id: event.id, atMs: at, body }, signingSecrets(endpoint, at)),
  };
  const began = deps.clock.monotonicMs();
  try {
    const answer = await deps.egress.request(endpoint.url, {
      method: 'POST',
      headers,
      body,
      timeoutMs: deps.timeoutMs,
      maxResponseBytes: responseBytes,
    });
    const { status, durationMs } = answer;
    return {
      attempt: { at, status, durationMs, response: responseText(answer.body) },
      verdict: classify(status, answer.headers['retry-after'], deps.clock.nowMs()),
    };
  } catch (cause) {
    const error = errorOf(cause);
    if (error === undefined) throw cause;
    const durationMs = Math.round(deps.clock.monotonicMs() - began);
    return { attempt: { at, status: null, durationMs, response: null, error }, verdict: { kind: 'failed' } };
  }
}

/** Returns undefined for an error that is not the endpoint's fault. */
function errorOf(cause: unknown): AttemptError | undefined {
  if (cause instanceof EgressRefused) return 'refused';
  return cause instanceof EgressFailed ? cause.kind : undefined;
}
