import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { mended } from '../../domain/well-formed.ts';
import type { Key } from '../keys.ts';

export type Item = Record<string, unknown>;

/** An expression with its names and plain values; values are marshalled here. */
export interface Expression {
  update?: string;
  condition?: string;
  names?: Record<string, string>;
  values?: Item;
}

export type Write =
  | { put: Item & Key; condition?: string; names?: Record<string, string>; values?: Item }
  | ({ update: string; key: Key } & Omit<Expression, 'update'>)
  | ({ delete: Key } & Omit<Expression, 'update'>)
  | ({ check: Key; condition: string } & Omit<Expression, 'update' | 'condition'>);

/** A transaction whose conditions did not hold: `failed[i]` tells it for each write, `old[i]` the item as it stood, where asked for. */
export class ConditionFailed extends Error {
  override name = 'ConditionFailed';
  readonly failed: boolean[];
  /** Not a property: loggers print those of errors, and items hold texts and secrets. */
  readonly #old: (Item | undefined)[];
  constructor(failed: boolean[], old: (Item | undefined)[]) {
    super(`the conditions of write ${failed.flatMap((f, i) => (f ? [i] : [])).join(', ')} did not hold`);
    this.failed = failed;
    this.#old = old;
  }

  get old(): (Item | undefined)[] {
    return this.#old;
  }
}

/** DynamoDB refuses a write with half of a character in it, each time it is tried: the last border mends what the ones before let through. */
const toAttributes = (item: Item): Record<string, AttributeValue> =>
  marshall(mended(item), { removeUndefinedValues: true });
const valuesOf = (values: Item | undefined) => (values === undefined ? undefined : toAttributes(values));
const nameOf = ({ pk, sk }: Key): string => `${pk}\n${sk}`;

/** Returns a name for the item that a write touches: equal for two writes of one item, which no transaction takes. */
export function targetOf(write: Write): string {
  if ('put' in write) return nameOf(write.put);
  if ('key' in write) return nameOf(write.key);
  return nameOf('delete' in write ? write.delete : write.check);
}

const toKey = (key: Key): Record<string, AttributeValue> => ({
  pk: { S: key.pk.toWellFormed() },
  sk: { S: key.sk.toWellFormed() },
});
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Conflicts and throttling that the SDK does not retry inside a cancelled transaction. */
const passing = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/**
 * The one table. Reads are strongly consistent unless said otherwise. Conditional writes and transactions throw ConditionFailed; a
 * transaction cancelled by a conflict or by throttling alone is tried again, up to 10 times within about 4 s.
 */
export class Table {
  readonly client: DynamoDBClient;
  readonly name: string;

  constructor(client: DynamoDBClient, name: string) {
    this.client = client;
    this.name = name;
  }

  async get<T>(key: Key): Promise<T | undefined> {
    const answer = await this.client.send(
      new GetItemCommand({ TableName: this.name, Key: toKey(key), ConsistentRead: true }),
    );
    return answer.Item === undefined ? undefined : (unmarshall(answer.Item) as T);
  }

  /** Items in the order of the keys, `undefined` where there is none; any number of keys, each read once, 100 at a time, 8 reads in parallel. */
  async getMany<T>(wanted: Key[], options: { eventually?: boolean } = {}): Promise<(T | undefined)[]> {
    const found = new Map<string, T>();
    const readOne = async (part: Key[]): Promise<void> => {
      let open = part.map(toKey);
      for (let attempt = 0; open.length > 0; attempt++) {
        if (attempt > 0) await sleep(Math.min(1000, 20 * 2 ** attempt));
        const answer = await this.client.send(
          new BatchGetItemCommand({
            RequestItems: { [this.name]: { Keys: open, ConsistentRead: options.eventually !== true } },
          }),
        );
        for (const raw of answer.Responses?.[this.name] ?? []) {
          const item = unmarshall(raw) as T & Key;
          found.set(nameOf(item), item);
        }
        open = (answer.UnprocessedKeys?.[this.name]?.Keys as typeof open | undefined) ?? [];
      }
    };
    // DynamoDB refuses a read in which a key is named twice.
    const distinct = [...new Map(wanted.map((key) => [nameOf(key), key])).values()];
    const parts: Key[][] = [];
    for (let at = 0; at < distinct.length; at += 100) parts.push(distinct.slice(at, at + 100));
    await inParallel(8, parts, readOne);
    return wanted.map((key) => found.get(nameOf(key)));
  }

  /** One page of a query; `start` is where the last page ended. */
  async query<T>(query: {
    pk: string;
    skPrefix?: string;
    skBetween?: [string, string];
    index?: string;
    limit?: number;
    descending?: boolean;
    start?: Item;
  }): Promise<{ items: T[]; next?: Item }> {
    const onIndex = query.index !== undefined;
    const names = { '#pk': onIndex ? 'ix' : 'pk', ...(hasSort(query) ? { '#sk': onIndex ? 'ixs' : 'sk' } : {}) };
    const values: Item = { ':pk': query.pk };
    let condition = '#pk = :pk';
    if (query.skPrefix !== undefined) {
      condition += ' AND begins_with(#sk, :sk)';
      values[':sk'] = query.skPrefix;
    } else if (query.skBetween !== undefined) {
      condition += ' AND #sk BETWEEN :from AND :to';
      [values[':from'], values[':to']] = query.skBetween;
    }
    const input: QueryCommandInput = {
      TableName: this.name,
      IndexName: query.index,
      KeyConditionExpression: condition,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: toAttributes(values),
      ConsistentRead: !onIndex,
      Limit: query.limit,
      ScanIndexForward: query.descending !== true,
      ExclusiveStartKey: query.start === undefined ? undefined : toAttributes(query.start),
    };
    const answer = await this.client.send(new QueryCommand(input));
    const items = (answer.Items ?? []).map((raw) => unmarshall(raw) as T);
    return answer.LastEvaluatedKey === undefined ? { items } : { items, next: unmarshall(answer.LastEvaluatedKey) };
  }

  /** All pages of a query. For partitions known to be small. */
  async queryAll<T>(query: Omit<Parameters<Table['query']>[0], 'start' | 'limit'>): Promise<T[]> {
    const items: T[] = [];
    let start: Item | undefined;
    do {
      const page = await this.query<T>(start === undefined ? query : { ...query, start });
      items.push(...page.items);
      start = page.next;
    } while (start !== undefined);
    return items;
  }

  async put(item: Item & Key, expression: Omit<Expression, 'update'> = {}): Promise<void> {
    await this.conditional(() =>
      this.client.send(
        new PutItemCommand({
          TableName: this.name,
          Item: toAttributes(item),
          ConditionExpression: expression.condition,
          ExpressionAttributeNames: expression.names,
          ExpressionAttributeValues: valuesOf(expression.values),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      ),
    );
  }

  /** Answers the item as it stands after the update. */
  async update<T>(key: Key, expression: Expression & { update: string }): Promise<T> {
    const answer = await this.conditional(() =>
      this.client.send(
        new UpdateItemCommand({
          TableName: this.name,
          Key: toKey(key),
          UpdateExpression: expression.update,
          ConditionExpression: expression.condition,
          ExpressionAttributeNames: expression.names,
          ExpressionAttributeValues: valuesOf(expression.values),
          ReturnValues: 'ALL_NEW',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      ),
    );
    return unmarshall(answer.Attributes ?? {}) as T;
  }

  async delete(key: Key, expression: Omit<Expression, 'update'> = {}): Promise<void> {
    await this.conditional(() =>
      this.client.send(
        new DeleteItemCommand({
          TableName: this.name,
          Key: toKey(key),
          ConditionExpression: expression.condition,
          ExpressionAttributeNames: expression.names,
          ExpressionAttributeValues: valuesOf(expression.values),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      ),
    );
  }

  /** Unconditional puts and deletes, 25 at a time, 8 in parallel, until none is left unprocessed. */
  async writeMany(writes: ({ put: Item & Key } | { delete: Key })[]): Promise<void> {
    const requests = writes.map((write) =>
      'put' in write
        ? { PutRequest: { Item: toAttributes(write.put) } }
        : { DeleteRequest: { Key: toKey(write.delete) } },
    );
    const parts: (typeof requests)[] = [];
    for (let at = 0; at < requests.length; at += 25) parts.push(requests.slice(at, at + 25));
    await inParallel(8, parts, async (part) => {
      let open: typeof part = part;
      for (let attempt = 0; open.length > 0; attempt++) {
        if (attempt > 0) await sleep(Math.min(1000, 20 * 2 ** attempt));
        const answer = await this.client.send(new BatchWriteItemCommand({ RequestItems: { [this.name]: open } }));
        open = (answer.UnprocessedItems?.[this.name] as typeof part | undefined) ?? [];
      }
    });
  }

  /** All of the writes or none, up to 100. */
  async transact(writes: Write[]): Promise<void> {
    const items = writes.map((write) => this.toTransactItem(write));
    for (let attempt = 1; ; attempt++) {
      try {
        await this.client.send(new TransactWriteItemsCommand({ TransactItems: items }));
        return;
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) {
          if (isPassing(error) && attempt < 10) {
            await sleep(Math.min(800, 5 * 2 ** attempt) * (0.5 + Math.random() / 2));
            continue;
          }
          throw error;
        }
        const reasons = error.CancellationReasons ?? [];
        const failed = reasons.map((reason) => reason.Code === 'ConditionalCheckFailed');
        if (failed.includes(true)) {
          throw new ConditionFailed(
            failed,
            reasons.map((reason) => (reason.Item === undefined ? undefined : unmarshall(reason.Item))),
          );
        }
        if (!reasons.some((reason) => passing.has(reason.Code ?? '')) || attempt >= 10) throw error;
        await sleep(Math.min(800, 5 * 2 ** attempt) * (0.5 + Math.random() / 2));
      }
    }
  }

  private toTransactItem(write: Write): TransactWriteItem {
    const common = {
      TableName: this.name,
      ConditionExpression: write.condition,
      ExpressionAttributeNames: write.names,
      ExpressionAttributeValues: valuesOf(write.values),
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    };
    if ('put' in write) return { Put: { ...common, Item: toAttributes(write.put) } };
    if ('update' in write) return { Update: { ...common, Key: toKey(write.key), UpdateExpression: write.update } };
    if ('delete' in write) return { Delete: { ...common, Key: toKey(write.delete) } };
    return { ConditionCheck: { ...common, Key: toKey(write.check), ConditionExpression: write.condition } };
  }

  private async conditional<T>(run: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) {
          throw new ConditionFailed([true], [error.Item === undefined ? undefined : unmarshall(error.Item)]);
        }
        if (!isPassing(error) || attempt >= 10) throw error;
        await sleep(Math.min(800, 5 * 2 ** attempt) * (0.5 + Math.random() / 2));
      }
    }
  }
}

function hasSort(query: { skPrefix?: string; skBetween?: [string, string] }): boolean {
  return query.skPrefix !== undefined || query.skBetween !== undefined;
}

function isPassing(error: unknown): boolean {
  return error instanceof DynamoDBServiceException && error.name === 'TransactionConflictException';
}

/** Runs `work` over all parts, at most `width` at a time. */
export async function inParallel<T>(width: number, parts: T[], work: (part: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: Math.min(width, parts.length) }, async () => {
    for (;;) {
      const part = parts[next++];
      if (part === undefined) return;
      await work(part);
    }
  });
  await Promise.all(lanes);
}
