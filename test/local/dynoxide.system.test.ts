import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test } from 'vitest';
import { awsJson } from '../../local/emulators/aws-json.ts';
import { findDynoxide } from '../../local/emulators/dynoxide-binary.ts';
import { expireItems, prepareStream, trimStream } from '../../local/emulators/dynoxide-database.ts';
import { freePort } from '../../local/emulators/ports.ts';
import { provisionTables } from '../../local/provision/tables.ts';
import type { TablePlan } from '../../local/template/storage.ts';
import { eventually, temporaryFolder } from './temporary-folder.ts';

const plan: TablePlan = {
  name: 'things',
  keys: [
    { name: 'pk', kind: 'HASH' },
    { name: 'sk', kind: 'RANGE' },
  ],
  attributes: ['pk', 'sk', 'ix'].map((name) => ({ name, type: 'S' })),
  indexes: [{ name: 'finder', keys: [{ name: 'ix', kind: 'HASH' }], projection: 'KEYS_ONLY', nonKeyAttributes: [] }],
  streamView: 'NEW_AND_OLD_IMAGES',
  ttlAttribute: 'ttl',
};

async function prepare(): Promise<{ endpoint: string; file: string; client: DynamoDBClient }> {
  const file = join(temporaryFolder(), 'db.sqlite');
  const port = await freePort();
  const child = spawn(findDynoxide() ?? '', ['--host', '127.0.0.1', '--port', String(port), '--db-path', file]);
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local-secret' },
  });
  onTestFinished(() => {
    client.destroy();
    child.kill('SIGKILL');
  });
  await eventually(() => awsJson(endpoint, 'DynamoDB_20120810.ListTables', {}).catch(() => undefined));
  return { endpoint, file, client };
}

const put = (endpoint: string, pk: string, ttl?: number) =>
  awsJson(endpoint, 'DynamoDB_20120810.PutItem', {
    TableName: 'things',
    Item: { pk: { S: pk }, sk: { S: 'x' }, ...(ttl === undefined ? {} : { ttl: { N: String(ttl) } }) },
  });

test.skipIf(findDynoxide() === undefined)(
  'a table is made once; a template that no longer fits says what to do',
  async () => {
    const { client } = await prepare();
    const first = await provisionTables(client, [plan]);
    expect(first.get('things')).toMatch(/^arn:aws:dynamodb:.*\/stream\//);
    expect(await provisionTables(client, [plan])).toEqual(first);
    const more = { ...plan.indexes[0], name: 'other', keys: plan.keys, projection: 'ALL', nonKeyAttributes: [] };
    await expect(provisionTables(client, [{ ...plan, indexes: [...plan.indexes, more] }])).rejects.toThrow(
      /table things: index other is new\)\. Start once with --reset/,
    );
    await expect(provisionTables(client, [{ ...plan, keys: plan.keys.slice(0, 1) }])).rejects.toThrow(
      'keys have changed',
    );
  },
);

test.skipIf(findDynoxide() === undefined)('expired items go, and old stream records but the newest', async () => {
  const { endpoint, file, client } = await prepare();
  await provisionTables(client, [plan]);
  prepareStream(file);
  prepareStream(file);
  const nowMs = Date.now();
  const nowSec = Math.floor(nowMs / 1000);
  await put(endpoint, 'past', nowSec - 10);
  await put(endpoint, 'future', nowSec + 1000);
  await put(endpoint, 'none');
  expect(await expireItems(file, endpoint, nowMs)).toBe(1);
  const { Items } = await awsJson<{ Items: { pk: { S: string } }[] }>(endpoint, 'DynamoDB_20120810.Scan', {
    TableName: 'things',
  });
  expect(Items.map((item) => item.pk.S).toSorted()).toEqual(['future', 'none']);

  await sleep(10);
  expect(trimStream(file, nowMs + 5000)).toBe(3);
  await put(endpoint, 'after');
  const database = new DatabaseSync(file, { readOnly: true });
  const numbers = database.prepare('SELECT sequence_number AS n FROM _stream_records ORDER BY id').all();
  database.close();
  expect(numbers.map((row) => Number(row.n))).toEqual([4, 5]);
});
