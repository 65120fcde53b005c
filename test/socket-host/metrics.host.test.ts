import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClients } from '../../lib/aws/client/clients.ts';
import { retireHost } from '../../lib/aws/hosts/hosts.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { hostConfig } from '../../lib/runtime/config.ts';
import { type RunningHost, startHost } from '../../socket-host/host/host.ts';
import { codeLabel, createMetrics } from '../../socket-host/metrics.ts';
import { rowsTo } from '../factories.ts';
import { type Gateway, startGateway } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

/** Every label a host's metrics may have: closed lists and codes. An account, a tenant or a number among them would cost by the account. */
const allowedLabels = ['code', 'command', 'kind', 'outcome', 'result', 'service', 'status', 'where', 'why'];
/** Those prom-client's own process metrics bring along. */
const processLabels = ['type', 'space', 'version', 'major', 'minor', 'patch'];

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

function parse(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const found = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null) return [];
    const [, name = '', labels = '', value = ''] = found;
    const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key = '', text = '']) => [key, text]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

describe('the labels', () => {
  it('are from the allow-list, in every metric there is', async () => {
    const found = new Set<string>();
    for (const metric of createMetrics().registry.getMetricsAsArray()) {
      const { labelNames = [] } = metric as unknown as { labelNames?: string[] };
      for (const label of labelNames) found.add(label);
    }
    expect([...found].filter((label) => ![...allowedLabels, ...processLabels].includes(label))).toEqual([]);
    expect([...found]).toEqual(expect.arrayContaining(allowedLabels));
  });

  it('and names of all are in the runbook', async () => {
    const runbook = await readFile(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const table = runbook.slice(runbook.indexOf('## metrics'));
    const own = createMetrics()
      .registry.getMetricsAsArray()
      .flatMap(({ name }) => (name.startsWith('paceline_') ? [name.slice('paceline_'.length)] : []));
    expect(own.length).toBeGreaterThan(15);
    expect(own.filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
  });

  it('never take a code as WhatsApp gives it: what is no code is "other"', () => {
    expect([undefined, 428, 515, 1006, 4281, 463.5].map((code) => codeLabel(code, 'none'))).toEqual([
      'none',
      '428',
      '515',
      'other',
      'other',
      'other',
    ]);
  });
});

describe('/metrics of a host', () => {
  let gateway: Gateway;
  let host: RunningHost;
  let dir: string;
  let accountId: string;
  let fencedFor: string | undefined;
  beforeAll(async () => {
    gateway = await startGateway(systemClock);
    dir = await mkdtemp(join(tmpdir(), 'paceline-metrics-'));
    // The network in memory changes no keys; a real one saves some at each login.
    gateway.whenLoaded((store) => store.saveCreds({ registered: true }).catch(() => undefined));
    host = await startHost({
      config: hostConfig({ ...gateway.emulators.env, HOST_DATA_DIR: dir, DRAIN_SEC: '2', METRICS_PORT: '0' }),
      clients: createClients(),
      clock: systemClock,
      logger: quiet,
      random: Math.random,
      transports: gateway.transports,
      onFenced: (_why, fence) => {
        fencedFor = fence;
      },
    });
  });
  afterAll(async () => {
    await host.stop();
    await gateway.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function text(): Promise<string> {
    const answer = await fetch(host.metricsUrl ?? '');
    expect(answer.headers.get('content-type')).toContain('text/plain');
    return await answer.text();
  }
  async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const wanted = Object.entries(labels);
    return parse(await text()).find(
      (sample) => sample.name === name && wanted.every(([key, text]) => sample.labels[key] === text),
    )?.value;
  }

  it('counts from the first scrape on what must not be missed', async () => {
    for (const why of ['lease_lost', 'epoch', 'retired', 's3']) {
      expect(await value('paceline_fences_total', { why }), why).toBe(0);
    }
    for (const kind of ['drain', 'rebalance', 'taken']) {
      expect(await value('paceline_handovers_total', { kind }), kind).toBe(0);
    }
    for (const result of ['ok', 'slow', 'failed']) {
      expect(await value('paceline_connection_checks_total', { result }), result).toBe(0);
    }
    expect(await value('paceline_poisoned_messages_total')).toBe(0);
  });

  it('tells what became of messages, and how long it took', async () => {
    const account = await gateway.account();
    accountId = account.id;
    let refused = 0;
    gateway.answerWith(({ to }) => (to.endsWith('1') && refused++ === 0 ? { code: 500 } : {}));
    const contract = await gateway.contract(account, rowsTo(3));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(await value('paceline_accounts', { status: 'connected' })).toBe(1);
    expect(await value('paceline_claims_total', { result: 'claimed' })).toBe(4);
    expect(await value('paceline_sends_total', { outcome: 'sent' })).toBe(3);
    expect(await value('paceline_sends_total', { outcome: 'retry' })).toBe(1);
    expect(await value('paceline_acks_total', { code: 'ok' })).toBe(3);
    expect(await value('paceline_acks_total', { code: '500' })).toBe(1);
    expect(await value('paceline_send_to_ack_seconds_count')).toBe(4);
    expect(await value('paceline_accept_to_ack_seconds_count')).toBe(3);
    // The one that was refused waited for at least two seconds.
    expect(await value('paceline_accept_to_ack_seconds_sum')).toBeGreaterThan(2);
    expect(await value('paceline_accept_to_ack_seconds_sum')).toBeLessThan(30);
    expect(await value('paceline_auth_commit_seconds_count')).toBeGreaterThan(0);
    expect(await value('paceline_auth_commit_bytes_total')).toBeGreaterThan(50);
    expect(await value('paceline_aws_calls_total', { service: 'dynamodb' })).toBeGreaterThan(0);
  });

  it('tells why connections ended and that they began again', async () => {
    gateway.sessions.get(accountId)?.end({ code: 428, detail: 'closed' });
    await until('reconnected', async () => (await value('paceline_reconnects_total', { code: '428' })) === 1);
    expect(await value('paceline_connection_closes_total', { code: '428' })).toBe(1);
  });

  it('tells of the process: heap, memory, event loop, CPU', async () => {
    for (const name of [
      'nodejs_heap_size_used_bytes',
      'nodejs_heap_size_total_bytes',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_eventloop_lag_max_seconds',
      'nodejs_gc_duration_seconds_count',
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
    ]) {
      expect(await value(name), name).toBeGreaterThanOrEqual(0);
    }
  });

  it('names nobody', async () => {
    expect(await text()).not.toMatch(/(acc|ten|con|msg|hst)_[0-9A-Z]/);
    expect(await text()).not.toMatch(/\D7999\d{7}\D/);
  });

  it('tells why it stopped acting, to whoever still asks', async () => {
    await retireHost(gateway.deps.table, host.id, Date.now());
    await until('fenced', async () => fencedFor === 'retired');
    // The host itself and the one account it held.
    expect(await value('paceline_fences_total', { why: 'retired' })).toBe(2);
    expect(await value('paceline_fences_total', { why: 'lease_lost' })).toBe(0);
  });
});
