import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Clock } from '../../lib/runtime/clock.ts';

export interface ReceivedRequest {
  at: number;
  id: string;
  headers: Record<string, string>;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
  /** Whether the official package takes the signature with the secret given. */
  verified: boolean;
}

export type Behaviour =
  | { status: number; headers?: Record<string, string>; body?: string; delayMs?: number }
  | 'hang'
  | 'reset';

/** A webhook receiver as a customer would write it, on 127.0.0.1, that verifies with the official package and behaves as asked. */
export async function startReceiver(clock: Clock, verifier: { secret: string; raw?: boolean }) {
  const requests: ReceivedRequest[] = [];
  let behave: (request: ReceivedRequest, count: number) => Behaviour = () => ({ status: 200, body: 'thanks' });
  let open = 0;
  let mostOpen = 0;
  const ended = new AbortController();
  const server = createServer((request, response) => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    response.once('close', () => {
      open -= 1;
    });
    void answer(request, response);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const received: ReceivedRequest = {
      at: clock.nowMs(),
      id: headers['webhook-id'] ?? '',
      headers,
      body: JSON.parse(text),
      verified: verifies(text, headers, verifier, clock),
    };
    requests.push(received);
    const reply = behave(received, requests.length);
    if (reply === 'hang') return;
    if (reply === 'reset') {
      request.socket.destroy();
      return;
    }
    await clock.sleep(reply.delayMs ?? 0, ended.signal);
    if (response.destroyed) return;
    response.writeHead(reply.status, reply.headers);
    response.end(reply.body);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    requests,
    /** Requests at the same time, at most so far. */
    mostOpen: () => mostOpen,
    behave(how: typeof behave) {
      behave = how;
    },
    async stop() {
      ended.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

/** The package goes by Date.now; the test by its own clock. */
export function verifies(
  body: string,
  headers: Record<string, string>,
  verifier: { secret: string; raw?: boolean },
  clock: Clock,
): boolean {
  const { secret } = verifier;
  const webhook = verifier.raw === true ? new Webhook(secret, { format: 'raw' }) : new Webhook(secret);
  const realNow = Date.now;
  const nowMs = clock.nowMs();
  Date.now = () => nowMs;
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  } finally {
    Date.now = realNow;
  }
}
