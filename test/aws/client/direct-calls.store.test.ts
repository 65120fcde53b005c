import {
  BatchGetItemCommand,
  GetItemCommand,
  TransactWriteItemsCommand,
  type TransactWriteItemsCommandInput,
} from '@aws-sdk/client-dynamodb';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Clients, createClients, destroyClients } from '../../../lib/aws/client/clients.ts';
import { objectStore } from '../../../lib/aws/client/objects.ts';
import { absent, Table } from '../../../lib/aws/client/table.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';
import { type PlayedService, playService } from './played-service.ts';
import type { Received } from './sigv4.ts';

let TableName: string;
const values = {
  pk: { S: 'values' },
  sk: { S: 'größe "👍"\n' },
  number: { N: '-12.5' },
  yes: { BOOL: true },
  none: { NULL: true },
  list: { L: [{ S: '' }, { M: { deep: { N: '1' } } }] },
  names: { SS: ['a', 'b'] },
};

let emulators: Emulators;
let dynamodb: PlayedService;
let s3: PlayedService;
let sqs: PlayedService;
let clients: Clients;
let table: Table;

beforeAll(async () => {
  emulators = await startEmulators();
  TableName = emulators.config.TABLE_NAME;
  dynamodb = await playService((request) => pass(request, emulators.env.AWS_ENDPOINT_URL_DYNAMODB));
  s3 = await playService((request) => pass(request, emulators.env.AWS_ENDPOINT_URL_S3));
  sqs = await playService((request) => pass(request, emulators.env.AWS_ENDPOINT_URL_SQS));
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', dynamodb.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_SQS', sqs.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', s3.endpoint);
  clients = createClients();
  table = new Table(clients.dynamodb, TableName);
  // The first calls go the SDK's way and show the place.
  await table.transact({ writes: [{ put: { pk: 'one', sk: 'x', state: 'QUEUED' } }] });
  await objectStore(clients.s3, emulators.config.AUTH_BUCKET).create('first', Buffer.from('x'));
});

beforeEach(() => {
  dynamodb.ways();
  s3.ways();
  sqs.ways();
});

afterAll(async () => {
  destroyClients(clients);
  vi.unstubAllEnvs();
  await Promise.all([dynamodb.close(), s3.close(), sqs.close()]);
  await emulators.stop();
});

/** Hands a request on as it came, and the answer back. */
async function pass({ method, url, headers, body }: Received, endpoint = '') {
  const { 'content-length': _, connection: __, host: ___, ...others } = headers;
  const answer = await fetch(`${endpoint}${url}`, { method, headers: others, ...(method === 'GET' ? {} : { body }) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, headers: { 'content-type': answer.headers.get('content-type') ?? '' }, body: bytes };
}

const tokens = (): string[] =>
  dynamodb.received.slice(-2).map(({ body }) => JSON.parse(body.toString()).ClientRequestToken);

describe('DynamoDB', () => {
  it('answers the same both ways', async () => {
    const absent = { pk: { S: 'absent' }, sk: { S: 'x' } };
    const { pk, sk } = values;
    const write: TransactWriteItemsCommandInput = {
      TransactItems: [{ Put: { TableName, Item: values } }],
      ReturnConsumedCapacity: 'TOTAL',
    };
    const sendAll = async (to: Clients) => [
      await to.dynamodb.send(new TransactWriteItemsCommand(write)),
      await to.dynamodb.send(new GetItemCommand({ TableName, Key: { pk, sk }, ConsistentRead: true })),
      await to.dynamodb.send(new GetItemCommand({ TableName, Key: absent })),
      await to.dynamodb.send(
        new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: [{ pk, sk }, absent] } } }),
      ),
    ];
    const direct = await sendAll(clients);
    expect(dynamodb.ways()).toEqual(['direct', 'direct', 'direct', 'direct']);
    const plainClients = createClients();
    plainClients.dynamodb.middlewareStack.remove('callDirectly');
    const sdk = await sendAll(plainClients);
    destroyClients(plainClients);
    expect(dynamodb.ways()).toEqual(['sdk', 'sdk', 'sdk', 'sdk']);
    const withoutMetadata = (outputs: object[]) => outputs.map((output) => ({ ...output, $metadata: undefined }));
    expect(withoutMetadata(direct)).toEqual(withoutMetadata(sdk));
    expect(direct[1]).toMatchObject({ Item: values });
    expect(direct[2]).not.toHaveProperty('Item');
    expect(direct[3]).toMatchObject({ Responses: { [TableName]: [values] } });
  });

  it('cancels a transaction with reasons and old items, under one token', async () => {
    const refused = await table.tryTransact({
      other: { check: { pk: 'absent', sk: 'x' }, condition: { isNew: absent } },
      message: {
        update: 'SET #s = :sending',
        key: { pk: 'one', sk: 'x' },
        condition: { isPending: { is: '#s = :pending', values: { ':pending': 'PENDING' } } },
        names: { '#s': 'state' },
        values: { ':sending': 'SENDING' },
      },
    });
    expect([refused?.by('other'), refused?.by('message')]).toEqual([false, true]);
    expect(refused?.old('message')).toEqual({ pk: 'one', sk: 'x', state: 'QUEUED' });
    expect(dynamodb.ways()).toEqual(['direct', 'sdk']);
    const [first, second] = tokens();
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).toBe(first);
    // To the byte: a token with other parameters would be refused.
    const [direct, sdk] = dynamodb.received.slice(-2);
    expect(sdk?.body.toString()).toBe(direct?.body.toString());
  });

  it('counts once when the answer to a direct call is of no use', async () => {
    const count = { update: 'ADD #n :one', key: { pk: 'sum', sk: 'x' }, names: { '#n': 'sum' }, values: { ':one': 1 } };
    await table.transact({ writes: [count] });
    // Others in this process parse too: the first answer that a direct call reads is cut off.
    const { parse: whole } = JSON;
    let cut = 0;
    const parse = vi.spyOn(JSON, 'parse').mockImplementation((text, reviver) => {
      if (cut === 0 && new Error().stack?.includes('direct-calls.ts') === true) {
        cut += 1;
        throw new SyntaxError('cut off');
      }
      return whole(text, reviver);
    });
    await table.transact({ writes: [count] });
    parse.mockRestore();
    expect(dynamodb.ways()).toEqual(['direct', 'direct', 'sdk']);
    expect(new Set(tokens()).size).toBe(1);
    expect(await table.get({ pk: 'sum', sk: 'x' })).toMatchObject({ sum: 2 });
  });

  it("is given and gives binary values the SDK's way", async () => {
    const key = { pk: 'bytes', sk: 'x' };
    await table.transact({ writes: [{ put: { ...key, blob: new Uint8Array([0, 255]) } }] });
    expect(dynamodb.ways()).toEqual(['sdk']);
    expect(await table.get(key)).toEqual({ ...key, blob: new Uint8Array([0, 255]) });
    expect(await table.getMany([key])).toEqual([{ ...key, blob: new Uint8Array([0, 255]) }]);
    expect(dynamodb.ways()).toEqual(['direct', 'sdk', 'direct', 'sdk']);
  });
});

describe('S3', () => {
  it('creates once, and keeps the bytes', async () => {
    const store = objectStore(clients.s3, emulators.config.AUTH_BUCKET);
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect(await store.create('a1/keys/0001', all)).toBe('created');
    expect(await store.create('a1/keys/0001', Buffer.from('other'))).toBe('exists');
    await store.put('a1/empty', new Uint8Array());
    expect(s3.ways()).toEqual(['direct', 'direct', 'sdk', 'direct']);
    expect(Buffer.from((await store.get('a1/keys/0001')) ?? [])).toEqual(all);
    expect(await store.get('a1/empty')).toHaveLength(0);
  });

  it('finds objects under keys that need escaping', async () => {
    const store = objectStore(clients.s3, emulators.config.AUTH_BUCKET);
    for (const key of ['ä b/c+d.json', 'a%2Fb', "it's(1)!*"]) {
      expect(await store.create(key, Buffer.from(key))).toBe('created');
      expect(s3.ways()).toEqual(['sdk']);
      expect(Buffer.from((await store.get(key)) ?? []).toString()).toBe(key);
      s3.ways();
    }
    expect(await store.list('a%')).toEqual(['a%2Fb']);
  });
});

describe('SQS', () => {
  async function queueWith(bodies: string[]): Promise<string> {
    const name = `direct-${Math.random().toString(36).slice(2)}.fifo`;
    const attributes = { FifoQueue: 'true', VisibilityTimeout: '30' };
    const { QueueUrl = '' } = await clients.sqs.send(
      new CreateQueueCommand({ QueueName: name, Attributes: attributes }),
    );
    for (const [at, MessageBody] of bodies.entries()) {
      const of = { MessageGroupId: `group-${at}`, MessageDeduplicationId: String(at) };
      await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...of }));
    }
    sqs.ways();
    return QueueUrl;
  }
  const receive = (to: Clients, QueueUrl: string, WaitTimeSeconds: number) =>
    to.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds, ReceiveRequestAttemptId: 'one' }),
    );
  const plainClients = () => {
    const plain = createClients();
    plain.sqs.middlewareStack.remove('callDirectly');
    return plain;
  };

  it('is received from without waiting, and deleted from, as the SDK does', async () => {
    const bodies = ['{"m":"größe ✓"}', 'second'];
    const [one, other] = [await queueWith(bodies), await queueWith(bodies)];
    const direct = await receive(clients, one, 0);
    expect(direct.Messages?.map(({ Body }) => Body)).toEqual(bodies);
    const plain = plainClients();
    const sdk = await receive(plain, other, 0);
    expect(sqs.ways()).toEqual(['direct', 'sdk']);
    const shapeOf = ({ Messages = [] }: typeof sdk) => Messages.map((message) => Object.keys(message).sort());
    expect(shapeOf(direct)).toEqual(shapeOf(sdk));
    const Entries = (direct.Messages ?? []).map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }));
    const deleted = await clients.sqs.send(new DeleteMessageBatchCommand({ QueueUrl: one, Entries }));
    expect(sqs.ways()).toEqual(['direct']);
    expect(deleted.Successful?.map(({ Id }) => Id)).toEqual(['0', '1']);
    expect((await receive(plain, one, 0)).Messages ?? []).toEqual([]);
    destroyClients(plain);
  });

  it('is asked by the SDK where the answer is waited for, since that can be cut short', async () => {
    const url = await queueWith(['x']);
    expect((await receive(clients, url, 1)).Messages).toHaveLength(1);
    expect(sqs.ways()).toEqual(['sdk']);
  });

  it("says what is wrong in the SDK's words", async () => {
    const url = await queueWith([]);
    const error = await receive(clients, `${url}-not-there`, 0).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QueueDoesNotExist' });
    expect(sqs.ways()).toEqual(['direct', 'sdk']);
  });
});
