import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttributeDefinition,
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type KeySchemaElement,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import type { KeyPart, TablePlan } from '../template/storage.ts';
import { TemplateChanged } from './changed.ts';

/** Creates the missing tables and returns the stream ARN of each table that has one. Throws TemplateChanged when an existing table differs. */
export async function provisionTables(client: DynamoDBClient, tables: TablePlan[]): Promise<Map<string, string>> {
  const streams = new Map<string, string>();
  await Promise.all(
    tables.map(async (plan) => {
      const table = (await describe(client, plan.name)) ?? (await create(client, plan));
      const difference = differenceOf(plan, table);
      if (difference !== undefined) throw new TemplateChanged(`table ${plan.name}: ${difference}`);
      if (table.LatestStreamArn !== undefined) streams.set(plan.name, table.LatestStreamArn);
    }),
  );
  return streams;
}

async function describe(client: DynamoDBClient, name: string): Promise<TableDescription | undefined> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: name }))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

async function create(client: DynamoDBClient, plan: TablePlan): Promise<TableDescription> {
  const attributes = plan.attributes.map(
    ({ name, type }): AttributeDefinition => ({
      AttributeName: name,
      AttributeType: type === 'N' || type === 'B' ? type : 'S',
    }),
  );
  try {
    await client.send(
      new CreateTableCommand({
        TableName: plan.name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: attributes,
        KeySchema: plan.keys.map(keyElement),
        ...(plan.indexes.length === 0
          ? {}
          : {
              GlobalSecondaryIndexes: plan.indexes.map((index) => ({
                IndexName: index.name,
                KeySchema: index.keys.map(keyElement),
                Projection: {
                  ProjectionType:
                    index.projection === 'KEYS_ONLY' || index.projection === 'INCLUDE' ? index.projection : 'ALL',
                  ...(index.nonKeyAttributes.length === 0 ? {} : { NonKeyAttributes: index.nonKeyAttributes }),
                },
              })),
            }),
        ...(plan.streamView === undefined
          ? {}
          : { StreamSpecification: { StreamEnabled: true, StreamViewType: streamView(plan.streamView) } }),
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  const table = await whenActive(client, plan.name);
  if (plan.ttlAttribute !== undefined) {
    const ttl = { AttributeName: plan.ttlAttribute, Enabled: true };
    await client.send(new UpdateTimeToLiveCommand({ TableName: plan.name, TimeToLiveSpecification: ttl }));
  }
  return table;
}

async function whenActive(client: DynamoDBClient, name: string): Promise<TableDescription> {
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 20) {
    const table = await describe(client, name);
    if (table?.TableStatus === 'ACTIVE') return table;
    await sleep(20);
  }
  throw new Error(`Table ${name} was made and did not become active.`);
}

/** Returns the first difference between an existing table and the template, in words; undefined when there is none. */
function differenceOf(plan: TablePlan, table: TableDescription): string | undefined {
  if (keysText(plan.keys) !== schemaText(table.KeySchema)) return 'its keys have changed';
  const kept = new Map((table.GlobalSecondaryIndexes ?? []).map((index) => [index.IndexName, index]));
  for (const index of plan.indexes) {
    const found = kept.get(index.name);
    if (found === undefined) return `index ${index.name} is new`;
    if (keysText(index.keys) !== schemaText(found.KeySchema)) return `the keys of index ${index.name} have changed`;
    if (index.projection !== found.Projection?.ProjectionType) return `index ${index.name} projects other attributes`;
    kept.delete(index.name);
  }
  for (const name of kept.keys()) return `index ${name} is gone`;
  if (plan.streamView !== table.StreamSpecification?.StreamViewType) return 'its stream has changed';
  return undefined;
}

function keyElement({ name, kind }: KeyPart): KeySchemaElement {
  return { AttributeName: name, KeyType: kind };
}

function keysText(keys: KeyPart[]): string {
  return keys.map(({ name, kind }) => `${name} ${kind}`).join();
}

function schemaText(keys: KeySchemaElement[] | undefined): string {
  return (keys ?? []).map((key) => `${key.AttributeName} ${key.KeyType}`).join();
}

function streamView(view: string): 'NEW_IMAGE' | 'OLD_IMAGE' | 'NEW_AND_OLD_IMAGES' | 'KEYS_ONLY' {
  return view === 'NEW_IMAGE' || view === 'OLD_IMAGE' || view === 'KEYS_ONLY' ? view : 'NEW_AND_OLD_IMAGES';
}
