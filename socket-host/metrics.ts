import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AccountStatus } from '../lib/domain/account.ts';

/** A host's Prometheus metrics. No label carries an account or a tenant. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    accounts: new Gauge({
      name: 'paceline_accounts',
      help: 'Accounts this host owns, by status',
      labelNames: ['status'] as const satisfies readonly string[],
      registers,
    }),
    sends: new Counter({
      name: 'paceline_sends_total',
      help: 'Outcomes of sends: sent, retry, failed, unanswered',
      labelNames: ['outcome'] as const,
      registers,
    }),
    ackSeconds: new Histogram({
      name: 'paceline_send_to_ack_seconds',
      help: 'From encrypting to the server ack',
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20],
      registers,
    }),
    claims: new Counter({
      name: 'paceline_claims_total',
      help: 'Claims of messages: claimed, stale, fenced, suppressed',
      labelNames: ['result'] as const,
      registers,
    }),
    closes: new Counter({
      name: 'paceline_connection_closes_total',
      help: 'Closed connections by WhatsApp reason code',
      labelNames: ['code'] as const,
      registers,
    }),
    receipts: new Counter({
      name: 'paceline_receipts_total',
      help: 'Receipts by kind',
      labelNames: ['kind'] as const,
      registers,
    }),
    awsCalls: new Counter({
      name: 'paceline_aws_calls_total',
      help: 'Calls to AWS by service and command; tries again are not counted',
      labelNames: ['service', 'command'] as const,
      registers,
    }),
    failures: new Counter({
      name: 'paceline_failures_total',
      help: 'Unexpected errors that were caught, by where',
      labelNames: ['where'] as const,
      registers,
    }),
  };
}

export type HostMetrics = ReturnType<typeof createMetrics>;

/** Serves `/metrics` and `/health` on loopback; port 0 takes a free one. Answers the address and a stop function. */
export async function serveMetrics(
  metrics: HostMetrics,
  options: { port: number; healthy(): boolean; refresh(): Map<AccountStatus, number> },
): Promise<{ url: string; stop(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    if (request.url === '/health') {
      const healthy = options.healthy();
      response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ status: healthy ? 'ok' : 'lease lost' }));
      return;
    }
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.accounts.reset();
    for (const [status, count] of options.refresh()) metrics.accounts.set({ status }, count);
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/metrics`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
