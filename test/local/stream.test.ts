import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Outcome } from '../../local/functions/function.ts';
import { matchesFilter, passesFilters } from '../../local/sources/filter.ts';
import { pollStream, type StreamPollerOptions } from '../../local/sources/stream-poller.ts';
import type { Json } from '../../local/template/json.ts';
import { eventually } from './temporary-folder.ts';

/** A stream of one shard whose records are numbered from 1; iterators are positions. */
async function serveStream(types: string[]): Promise<{ endpoint: string; add: (type: string) => void }> {
  const all = [...types];
  const record = (type: string, at: number) => ({
    eventID: String(at + 1),
    eventName: 'INSERT',
    dynamodb: { SequenceNumber: String(at + 1), Keys: { pk: { S: `k${at + 1}` } }, NewImage: { type: { S: type } } },
  });
  const answers: Record<string, (body: Record<string, string>) => object> = {
    DescribeStream: () => ({ StreamDescription: { Shards: [{ ShardId: 'shard' }] } }),
    GetShardIterator: ({ ShardIteratorType, SequenceNumber }) => ({
      ShardIterator: { TRIM_HORIZON: '0', LATEST: String(all.length) }[ShardIteratorType ?? ''] ?? SequenceNumber,
    }),
    GetRecords: ({ ShardIterator, Limit }) => {
      const from = Number(ShardIterator);
      const page = all.map(record).slice(from, from + Number(Limit));
      return { Records: page, NextShardIterator: String(from + page.length) };
    },
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    response.end(JSON.stringify(answers[action]?.(JSON.parse(Buffer.concat(chunks).toString())) ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, add: (type) => void all.push(type) };
}

interface Batch {
  Records: { eventSourceARN: string; awsRegion: string; dynamodb: { SequenceNumber: string } }[];
}
const numbers = (batch: Batch): string => batch.Records.map((one) => one.dynamodb.SequenceNumber).join('');

function poll(
  endpoint: string,
  handle: (batch: Batch) => Outcome,
  more: Partial<StreamPollerOptions> = {},
): { saved: Map<string, string>; parked: string[]; stop: () => Promise<void> } {
  const saved = new Map<string, string>();
  const parked: string[] = [];
  const stopping = new AbortController();
  const running = pollStream(
    {
      endpoint,
      streamArn: 'arn:stream',
      batchSize: 10,
      fromStart: true,
      reportsFailures: true,
      bisect: false,
      maxRetries: 2,
      filters: [],
      checkpoints: { load: (shard) => saved.get(shard), save: (shard, at) => void saved.set(shard, at) },
      park: (records) => void parked.push(...records.map((one) => one.dynamodb.SequenceNumber)),
      log: () => undefined,
      target: {
        name: 'test',
        available: () => Promise.resolve(),
        invoke: (event) => Promise.resolve(handle(event as Batch)),
      },
      ...more,
    },
    stopping.signal,
  );
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  onTestFinished(stop);
  return { saved, parked, stop };
}

const ok: Outcome = { kind: 'ok', value: null };
const reported = (number: string): Outcome => ({
  kind: 'ok',
  value: { batchItemFailures: [{ itemIdentifier: number }] },
});

test('records that pass the filter arrive in order, with where they come from; the checkpoint passes the others too', async () => {
  const stream = await serveStream(['a', 'b', 'a', 'b']);
  const seen: Batch[] = [];
  const filters = ['{"dynamodb":{"NewImage":{"type":{"S":["a"]}}}}'];
  const collect = (batch: Batch): Outcome => {
    seen.push(batch);
    return ok;
  };
  const { saved } = poll(stream.endpoint, collect, { filters });
  await eventually(() => (saved.get('shard') === '4' ? true : undefined));
  expect(seen.map(numbers)).toEqual(['13']);
  expect(seen[0]?.Records[0]).toMatchObject({ eventSourceARN: 'arn:stream', awsRegion: 'us-east-1' });
  stream.add('a');
  await eventually(() => (seen.length === 2 ? true : undefined));
  expect(seen.map(numbers)).toEqual(['13', '5']);
});

test('a reader goes on after its checkpoint', async () => {
  const stream = await serveStream(['a', 'a']);
  const first = poll(stream.endpoint, () => ok);
  await eventually(() => (first.saved.get('shard') === '2' ? true : undefined));
  await first.stop();
  stream.add('a');
  const seen: string[] = [];
  const checkpoints = { load: () => '2', save: () => undefined };
  const collect = (batch: Batch): Outcome => {
    seen.push(numbers(batch));
    return ok;
  };
  poll(stream.endpoint, collect, { checkpoints });
  await eventually(() => (seen.length > 0 ? true : undefined));
  expect(seen).toEqual(['3']);
});

test('a reported failure repeats from that record on', async () => {
  const stream = await serveStream(['a', 'a', 'a']);
  const seen: string[] = [];
  const { saved, parked } = poll(stream.endpoint, (batch) => {
    seen.push(numbers(batch));
    return seen.length === 1 ? reported('2') : ok;
  });
  await eventually(() => (saved.get('shard') === '3' ? true : undefined));
  expect(seen).toEqual(['123', '23']);
  expect(parked).toEqual([]);
});

test('a poison record is cut out by halves and given up after its retries; the others are dealt with', async () => {
  const stream = await serveStream(['a', 'a', 'a', 'a']);
  const dealtWith: string[] = [];
  const failOnThree = (batch: Batch): Outcome => {
    if (numbers(batch).includes('3')) return { kind: 'error', name: 'Error', message: 'no' };
    dealtWith.push(numbers(batch));
    return ok;
  };
  const { saved, parked } = poll(stream.endpoint, failOnThree, { bisect: true, maxRetries: 3 });
  await eventually(() => (saved.get('shard') === '4' ? true : undefined), 8000);
  expect(parked).toEqual(['3']);
  expect(dealtWith).toEqual(['12', '4']);
});

test.each<[string, Json, boolean]>([
  ['{"eventName":["INSERT","MODIFY"]}', { eventName: 'MODIFY' }, true],
  ['{"eventName":["INSERT"]}', { eventName: 'REMOVE' }, false],
  ['{"a":{"b":["x"]},"c":[1]}', { a: { b: 'x' }, c: 2 }, false],
  ['{"a":[{"prefix":"con_"}]}', { a: 'con_1' }, true],
  ['{"a":[{"suffix":".csv"}]}', { a: 'x.txt' }, false],
  ['{"a":[{"exists":false}]}', { b: 1 }, true],
  ['{"a":[{"exists":true}]}', { a: null }, true],
  ['{"a":[{"anything-but":["x","y"]}]}', { a: 'z' }, true],
  ['{"a":[{"anything-but":["x","y"]}]}', { a: 'y' }, false],
  ['{"a":[{"anything-but":{"prefix":"x"}}]}', { a: 'xy' }, false],
  ['{"a":[{"numeric":[">",0,"<=",5]}]}', { a: 5 }, true],
  ['{"a":[{"numeric":[">",0,"<=",5]}]}', { a: 6 }, false],
  ['{"a":[{"equals-ignore-case":"ABC"}]}', { a: 'abc' }, true],
  ['{"a":[null]}', { a: null }, true],
  ['{"a":["x"]}', { a: ['y', 'x'] }, true],
  ['{"$or":[{"a":["x"]},{"b":["x"]}]}', { b: 'x' }, true],
])('filter %s on %j: %s', (pattern, event, expected) => {
  expect(matchesFilter(pattern, event)).toBe(expected);
});

test('no filter takes everything, several are alternatives, an unknown operator is named', () => {
  expect(passesFilters([], {})).toBe(true);
  expect(passesFilters(['{"a":["x"]}', '{"a":["y"]}'], { a: 'y' })).toBe(true);
  expect(() => matchesFilter('{"a":[{"cidr":"10.0.0.0/8"}]}', { a: '10.0.0.1' })).toThrow('"cidr"');
});
