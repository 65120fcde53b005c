import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AccountStatus } from '../lib/domain/accounts/account.ts';
import type { SendingCounts } from '../lib/sending/deps.ts';

/**
 * Reasons why a host stopped acting for an account:
 *
 *   lease_lost  the host's lease was over
 *   epoch       the account had a newer claim
 *   retired     other hosts had retired the host
 *   s3          another owner had written the account's keys
 */
export const fenceCauses = ['lease_lost', 'epoch', 'retired', 's3'] as const;
export type FenceCause = (typeof fenceCauses)[number];

/** `drain` and `rebalance`: this host gave an account to another one. `taken`: this host claimed an account. */
const handoverKinds = ['drain', 'rebalance', 'taken'] as const;
/** `received` counts repeats too: `received` is `stored` plus `repeated`, unless storing fails. `undecryptable` messages are not `received`. */
const inboundSteps = ['received', 'stored', 'repeated', 'undecryptable'] as const;
/** Results of a connection check: a ping to WhatsApp's server on an open connection. */
const checkResults = ['ok', 'slow', 'failed'] as const;

const ackBuckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
/** Buckets up to a week, because a contract waits for its start and for pacing. */
const acceptBuckets = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400, 604_800];

/**
 * Returns a host's Prometheus metrics, with those of the process (heap, event loop, CPU, RSS). No label contains an account or a tenant: each
 * label value is from a closed list or a code of WhatsApp. docs/runbook.md, Metrics, says what they mean.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labels: readonly L[] = []) =>
    new Counter<L>({ name: `paceline_${name}_total`, help, labelNames: labels, registers });
  const seconds = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `paceline_${name}_seconds`, help, buckets, registers });
  const metrics = {
    registry,
    accounts: new Gauge({
      name: 'paceline_accounts',
      help: 'Accounts this host owns, by status',
      labelNames: ['status'] as const satisfies readonly string[],
      registers,
    }),
    claims: counter('claims', 'Claims of messages: claimed, stale, fenced, suppressed, stopped, paused', ['result']),
    sends: counter('sends', 'Outcomes of sends: sent, retry, failed, unanswered, not_sent', ['outcome']),
    acks: counter('acks', 'Answers of the server to sends: ok or an error code', ['code']),
    ackSeconds: seconds('send_to_ack', 'From encrypting to the server ack', ackBuckets),
    acceptToAckSeconds: seconds(
      'accept_to_ack',
      'From accepting the order to the server ack of the message, including waits for its start and for pacing',
      acceptBuckets,
    ),
    receipts: counter('receipts', 'Receipts by kind', ['kind']),
    inbound: counter('inbound', 'Messages of people: received, stored, repeated, undecryptable', ['result']),
    batches: counter('inbound_batches', 'Closed batches of inbound messages: owner, next_owner', ['kind']),
    optOuts: counter('opt_outs', 'Opt-outs by a person, and opt-outs undone: stop, start', ['kind']),
    confirmations: counter('opt_out_confirmations', 'Confirmations of opt-outs by result: sent, refused, unanswered', [
      'result',
    ]),
    poisoned: counter('poisoned_messages', 'Messages given up because hosts died over them'),
    closes: counter('connection_closes', 'Closed connections by WhatsApp reason code', ['code']),
    reconnects: counter('reconnects', 'Connections begun after one that ended, by its reason code; ours: we ended it', [
      'code',
    ]),
    connectionChecks: counter('connection_checks', 'Checks of open connections: ok, slow, failed', ['result']),
    connectionCheckSeconds: seconds('connection_check', 'Round trip of a check', ackBuckets),
    fences: counter(
      'fences',
      'Accounts, or the whole host, that this host stopped acting for: lease_lost, epoch, retired, s3',
      ['why'],
    ),
    handovers: counter('handovers', 'Accounts given (drain, rebalance) and taken', ['kind']),
    authCommitSeconds: seconds('auth_commit', 'Commits of linked-device keys to S3', ackBuckets),
    authCommitBytes: counter('auth_commit_bytes', 'Bytes of these commits'),
    awsCalls: counter('aws_calls', 'Calls to AWS by service and command; retries are not counted', [
      'service',
      'command',
    ]),
    failures: counter('failures', 'Unexpected errors that were caught, by where', ['where']),
  };
  // All values exist from the first scrape, so that a rate counts the first event.
  for (const why of fenceCauses) metrics.fences.inc({ why }, 0);
  for (const kind of handoverKinds) metrics.handovers.inc({ kind }, 0);
  for (const result of inboundSteps) metrics.inbound.inc({ result }, 0);
  for (const result of checkResults) metrics.connectionChecks.inc({ result }, 0);
  return metrics;
}

/** Returns the label value of a code of WhatsApp: the code if it is from 400 to 599, otherwise `other`, and `none` when there is no code. */
export function codeLabel(code: number | undefined, none: string): string {
  if (code === undefined) return none;
  return Number.isInteger(code) && code >= 400 && code <= 599 ? String(code) : 'other';
}

export type HostMetrics = ReturnType<typeof createMetrics>;

/** Returns callbacks that count the send core's work in these metrics. */
export function sendingCounts(metrics: HostMetrics): SendingCounts {
  return {
    claim: (result) => metrics.claims.inc({ result }),
    send: (outcome) => metrics.sends.inc({ outcome }),
    ack: (code, afterMs) => {
      metrics.ackSeconds.observe(afterMs / 1000);
      metrics.acks.inc({ code: codeLabel(code, 'ok') });
    },
    acceptToAck: (ms) => metrics.acceptToAckSeconds.observe(ms / 1000),
    poisoned: () => metrics.poisoned.inc(),
  };
}

/** Serves `/metrics` and `/health` on loopback; port 0 takes a free one. Returns the address and a stop function. */
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
