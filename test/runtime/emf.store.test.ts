import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { APIGatewayProxyEventV2, Context, ScheduledEvent, SQSEvent } from 'aws-lambda';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { putHost } from '../../lib/aws/hosts/hosts.ts';
import { type Api, startApi } from '../api/api.ts';
import { newHost } from '../factories.ts';

/** A function as after a cold start: another file of this worker may have called its own, with another table and with metrics off. */
const cold = <Module>(name: string): Promise<Module> => import(`../../functions/${name}/handler.ts?emf`);
const { handler: apiHandler } = await cold<typeof import('../../functions/api/handler.ts')>('api');
const { handler: feedHandler } = await cold<typeof import('../../functions/feed/handler.ts')>('feed');
const { handler: importHandler } = await cold<typeof import('../../functions/import/handler.ts')>('import');
const { handler: sweepHandler } = await cold<typeof import('../../functions/sweep/handler.ts')>('sweep');

let api: Api;
let accountId: string;
let lines: string[];
const before = { ...process.env };

beforeAll(async () => {
  process.env.POWERTOOLS_METRICS_NAMESPACE = 'Paceline/test';
  api = await startApi();
  process.env.POWERTOOLS_METRICS_DISABLED = 'false';
  accountId = await api.account();
});
afterAll(async () => {
  await api.stop();
  process.env = before;
});
beforeEach(() => {
  lines = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    lines.push(...String(chunk).split('\n'));
    return true;
  });
  // The failures played below are logged.
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Emitted {
  _aws: {
    CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string; Unit: string }[] }[];
  };
  [name: string]: unknown;
}

/** The metrics written since the last time, by name, checked to be of this stage and of nothing but a service. */
function metricsOf(service: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const line of lines.splice(0)) {
    if (!line.includes('"_aws"')) continue;
    expect(line).not.toMatch(/(ten|acc|con|msg|key|hst|imp)_|7999\d/);
    const emitted = JSON.parse(line) as Emitted;
    const [directive, ...others] = emitted._aws.CloudWatchMetrics;
    expect(others).toEqual([]);
    expect(directive).toMatchObject({ Namespace: 'Paceline/test', Dimensions: [['service']] });
    expect(emitted.service).toBe(service);
    for (const { Name } of directive?.Metrics ?? []) found[Name] = emitted[Name];
  }
  return found;
}

const context = { awsRequestId: 'invocation-1', getRemainingTimeInMillis: () => 30_000 } as Context;

async function call(method: string, rawPath: string, body?: unknown, headers: Record<string, string> = {}) {
  const event = {
    version: '2.0',
    rawPath,
    rawQueryString: '',
    isBase64Encoded: false,
    headers: { host: 'api.example.com', authorization: `Bearer ${api.keyA}`, ...headers },
    requestContext: { http: { method, path: rawPath, sourceIp: '203.0.113.7' }, requestId: 'gateway-1' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  } as unknown as APIGatewayProxyEventV2;
  const answer = await apiHandler(event, context);
  return { status: answer.statusCode, json: JSON.parse(answer.body ?? '{}') };
}

const orderOf = (...numbers: string[]) => ({
  accountId,
  name: 'Order',
  recipients: numbers.map((phoneNumber) => ({ phoneNumber, message: 'Hello' })),
});

describe('the api', () => {
  it('counts orders with their rows, and those of them that will be sent', async () => {
    const order = { ...orderOf('79991234567', '79991234568', '12'), skipInvalid: true };
    expect((await call('POST', '/v1/contracts', order)).status).toBe(201);
    expect(metricsOf('api')).toEqual({ ContractsCreated: 1, RecipientsAccepted: 3, MessagesAccepted: 2 });
  });

  it('counts rows added later', async () => {
    const { json } = await call('POST', '/v1/contracts', orderOf('79991234567'));
    metricsOf('api');
    await call('POST', `/v1/contracts/${json.id}/recipients`, { recipients: orderOf('79991234560').recipients });
    expect(metricsOf('api')).toEqual({ RecipientsAccepted: 1, MessagesAccepted: 1 });
  });

  it('counts refused rows once each, and the refusal', async () => {
    const order = orderOf('79991234567', '12', '13');
    order.recipients.push({ phoneNumber: '14', message: '' });
    expect((await call('POST', '/v1/contracts', order)).status).toBe(422);
    expect(metricsOf('api')).toEqual({ RecipientsRefused: 3, Answers4xx: 1 });
  });

  it('counts an answer given again for its key, and creates nothing twice', async () => {
    const key = { 'idempotency-key': 'once' };
    await call('POST', '/v1/contracts', orderOf('79991234567'), key);
    metricsOf('api');
    await call('POST', '/v1/contracts', orderOf('79991234567'), key);
    expect(metricsOf('api')).toEqual({ Replays: 1 });
  });

  it('counts failures', async () => {
    const getItem = vi.spyOn(Object.getPrototypeOf(api.deps.table), 'get').mockRejectedValue(new Error('no table'));
    expect((await call('GET', '/v1/accounts')).status).toBe(500);
    getItem.mockRestore();
    expect(metricsOf('api')).toEqual({ Answers5xx: 1 });
  });

  it('writes nothing for a call that leaves nothing to count', async () => {
    expect((await call('GET', '/health')).status).toBe(200);
    expect(metricsOf('api')).toEqual({});
  });
});

describe('the feed', () => {
  it('counts the messages it puts into lanes, and what it could not do', async () => {
    const { json } = await call('POST', '/v1/contracts', orderOf('79991234561', '79991234562'));
    await call('POST', `/v1/contracts/${json.id}/start`);
    metricsOf('api');
    const QueueUrl = api.deps.config.FEED_QUEUE_URL;
    const { Messages = [] } = await api.deps.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'] }),
    );
    const bodies = [...Messages.map(({ Body = '' }) => Body), JSON.stringify({ kind: 'nonsense' })];
    const Records = bodies.map((body, index) => ({
      messageId: String(index),
      body,
      attributes: { MessageGroupId: index < Messages.length ? 'one' : 'other' },
    }));
    await feedHandler({ Records } as unknown as SQSEvent, context);
    expect(metricsOf('feed')).toEqual({ MessagesFed: 2, RequestsFailed: 1 });
  });

  it('counts refeeds and the steps of jobs', async () => {
    const { json } = await call('POST', '/v1/contracts', orderOf('79991234561', '79991234562'));
    await call('DELETE', `/v1/contracts/${json.id}`);
    metricsOf('api');
    const tenantId = 'ten_0000000000000000000000000A';
    const bodies = [
      { kind: 'refeed', tenantId, accountId },
      { kind: 'job', tenantId, accountId, contractId: json.id },
    ];
    const Records = bodies.map((body, index) => ({
      messageId: String(index),
      body: JSON.stringify(body),
      attributes: { MessageGroupId: 'one' },
    }));
    await feedHandler({ Records } as unknown as SQSEvent, context);
    expect(metricsOf('feed')).toEqual({ Refeeds: 1, MessagesRefed: 2, JobSteps: 1, JobsDone: 1 });
  });
});

describe('the import', () => {
  async function upload(text: string): Promise<Record<string, unknown>> {
    const { json } = await call('POST', '/v1/contracts', {
      accountId,
      name: 'Import',
      recipients: [],
      skipInvalid: true,
    });
    const { json: to } = await call('POST', `/v1/contracts/${json.id}/import`, { format: 'csv' });
    metricsOf('api');
    const key = new URL(to.uploadUrl).pathname.replace(`/${api.emulators.config.PAGES_BUCKET}/`, '');
    await api.deps.pages.put(key, Buffer.from(text));
    const body = JSON.stringify({ Records: [{ s3: { object: { key } } }] });
    await importHandler({ Records: [{ messageId: '1', body }] } as SQSEvent, context);
    return metricsOf('import');
  }

  it('counts the rows of a taken file and times it', async () => {
    const { ImportTime, ...counts } = await upload('phoneNumber,message\n79991234567,Hello\n12,Hello\n');
    expect(counts).toEqual({ FilesImported: 1, RowsImported: 2, RowsSkipped: 1 });
    expect(ImportTime).toBeGreaterThan(0);
    expect(ImportTime).toBeLessThan(10);
  });

  it('counts what was wrong in a refused one', async () => {
    expect(await upload('phoneNumber,message\n79991234567,Hello\n79991234568,\n79991234569,\n')).toMatchObject({
      FilesRefused: 1,
      RowsRefused: 2,
    });
  });

  it('counts a file it could not read', async () => {
    await importHandler({ Records: [{ messageId: '1', body: 'not a note' }] } as SQSEvent, context);
    expect(metricsOf('import')).toEqual({ FilesFailed: 1 });
  });
});

describe('the sweep', () => {
  it('writes the fleet each minute, and of what it did only where it did something', async () => {
    const host = (id: string, accounts: number, more: object = {}) =>
      putHost(api.deps.table, newHost(id, { room: 10, accounts, ...more }));
    await host('hst_1', 10);
    await host('hst_2', 30);
    await host('hst_3', 8, { draining: true });
    await host('hst_4', 99, { beatAt: Date.now() - 125_000 });
    await sweepHandler({} as ScheduledEvent, context);
    expect(metricsOf('sweep')).toMatchObject({ Hosts: 2, Accounts: 48, AccountsPerHost: 24, HostsLost: 1 });
    await sweepHandler({} as ScheduledEvent, context);
    const { Hosts, Accounts, AccountsPerHost, ...rest } = metricsOf('sweep');
    expect([Hosts, Accounts, AccountsPerHost]).toEqual([2, 48, 24]);
    expect(rest).not.toHaveProperty('HostsLost');
    expect(rest).not.toHaveProperty('Failures');
  });

  it('counts its own failures', async () => {
    const query = vi.spyOn(Object.getPrototypeOf(api.deps.table), 'queryAll').mockRejectedValue(new Error('no table'));
    await sweepHandler({} as ScheduledEvent, context);
    query.mockRestore();
    const { Failures, ...rest } = metricsOf('sweep');
    expect(Failures).toBeGreaterThan(4);
    // Nothing is known of the fleet: a zero would let the service scale in.
    expect(rest).toEqual({});
  });
});
