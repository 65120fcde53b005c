import type { Context, DynamoDBStreamEvent } from 'aws-lambda';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { handler } from '../../functions/events/handler.ts';
import type { Item } from '../../lib/aws/client/table.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';
import { changed, message, noon, putContract, tenantId } from './changes.ts';

const endpointId = 'whk_01KAFXR2M6B8V4N3T7Q9Z5W1HC';
const before = { ...process.env };
let emulators: Emulators;
let lines: string[];

beforeAll(async () => {
  process.env.POWERTOOLS_METRICS_NAMESPACE = 'Paceline/test';
  emulators = await startEmulators();
  process.env.POWERTOOLS_METRICS_DISABLED = 'false';
  await putContract(emulators.deps, 'IN_PROGRESS', 1);
  await emulators.deps.table.put({
    ...keys.endpoint(tenantId, endpointId),
    type: 'endpoint',
    id: endpointId,
    tenantId,
    name: 'Shop',
    url: 'https://shop.example/hook',
    events: ['message.sent'],
    ordered: false,
    active: true,
    secrets: [{ secret: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' }],
    createdAt: noon,
  });
});
afterAll(async () => {
  await emulators.stop();
  process.env = before;
});
beforeEach(() => {
  lines = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    lines.push(...String(chunk).split('\n'));
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const context = { awsRequestId: 'invocation-1', getRemainingTimeInMillis: () => 30_000 } as Context;
const read = (...Records: ReturnType<typeof changed>[]) => handler({ Records } as DynamoDBStreamEvent, context);

function emitted(): Record<string, unknown> {
  const [line = '{}', ...others] = lines.filter((one) => one.includes('"_aws"'));
  expect(others).toEqual([]);
  expect(line).not.toMatch(/(ten|acc|con|msg|evt)_|7999\d/);
  const { _aws, ...metrics } = JSON.parse(line);
  expect(_aws.CloudWatchMetrics).toMatchObject([{ Namespace: 'Paceline/test', Dimensions: [['service']] }]);
  return metrics;
}

describe('the events function', () => {
  it('stores events and plans a delivery to each endpoint that wants them', async () => {
    const sent = changed(message(1, 'SENDING'), message(1, 'SENT', { sentAt: noon, attempts: 1 }));
    expect(await read(changed(undefined, message(1, 'QUEUED')), sent)).toEqual({ batchItemFailures: [] });
    expect(emitted()).toEqual({ service: 'events', EventsTold: 3 });
    const { pk } = keys.delivery(tenantId, endpointId, 0, '');
    const deliveries = () => emulators.deps.table.queryAll<Item>({ pk, skPrefix: 'D#' });
    expect(await deliveries()).toMatchObject([{ type: 'delivery', eventType: 'message.sent', status: 'pending' }]);
    await read(sent);
    expect(await deliveries()).toHaveLength(1);
  });

  it('counts a poison record and takes it again when it is given back', async () => {
    const poison = changed(undefined, message(2, 'ELSEWHERE'));
    expect(await read(poison)).toEqual({ batchItemFailures: [] });
    expect(emitted()).toEqual({ service: 'events', RecordsParked: 1 });
    const [key = ''] = await emulators.deps.pages.list('parked/');
    const parked = JSON.parse(new TextDecoder().decode(await emulators.deps.pages.get(key)));
    lines = [];
    expect(await handler(parked, context)).toEqual({ batchItemFailures: [] });
    expect(emitted()).toEqual({ service: 'events', RecordsParked: 1 });
    expect(await emulators.deps.pages.list('parked/')).toEqual([key]);
  });
});
