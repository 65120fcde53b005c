import {
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
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { backoffMs } from '../../domain/backoff.ts';
import { systemClock } from '../../runtime/clock.ts';
import { systemRandom } from '../../runtime/random.ts';
import type { Key } from '../keys.ts';
import { listed, Refused, RefusedTransaction } from './refused.ts';
import {
  type Conditional,
  conditionInput,
  type Item,
  type NamedWrites,
  nameOf,
  toAttributes,
  toKey,
  toTransactItem,
} from './writes.ts';

export type { Refused, RefusedTransaction } from './refused.ts';
export {
  absent,
  type Clause,
  type Clauses,
  type Item,
  type NamedWrites,
  present,
  targetOf,
  type Write,
} from './writes.ts';

const { sleep } = systemClock;

/** Wait before the rest of a batch that DynamoDB left unprocessed. */
const unprocessedPause = { baseMs: 40, capMs: 1000 };
/** Wait before the retry of a write that conflicted with another. Half of it is jitter, so that two writers do not conflict again. */
const conflictPause = { baseMs: 5, capMs: 400, jitter: { random: systemRandom.number, mostPart: 1 } };

/** Conflicts and throttling that the SDK does not retry inside a cancelled transaction. */
const passing = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/**
 * The one table. Reads are strongly consistent unless a comment says otherwise. A write whose condition does not hold throws an error that names the
 * clause; `tryPut`, `tryUpdate`, `tryDelete` and `tryTransact` return that error instead. A write that fails only by a conflict or by throttling is
 * tried again, up to 10 times within about 4 s.
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

  /**
   * Returns the items in the order of the keys, `undefined` where there is none. Reads each of any number of keys once, 100 at a time, 8 reads in
   * parallel.
   */
  async getMany<T>(wanted: Key[], options: { eventually?: boolean } = {}): Promise<(T | undefined)[]> {
    const found = new Map<string, T>();
    const readOne = async (part: Key[]): Promise<void> => {
      let open = part.map(toKey);
      for (let attempt = 0; open.length > 0; attempt++) {
        if (attempt > 0) await sleep(backoffMs(attempt - 1, unprocessedPause));
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
    // DynamoDB refuses a read that names a key twice.
    const distinct = [...new Map(wanted.map((key) => [nameOf(key), key])).values()];
    const parts: Key[][] = [];
    for (let at = 0; at < distinct.length; at += 100) parts.push(distinct.slice(at, at + 100));
    await inParallel(8, parts, readOne);
    return wanted.map((key) => found.get(nameOf(key)));
  }

  /** Returns one page of a query. `start` is the `next` of the previous page. */
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

  /** Returns the items of all pages of a query. Only for small partitions. */
  async queryAll<T>(query: Omit<Parameters<Table['query']>[0], 'start' | 'limit'>): Promise<T[]> {
    const items: T[] = [];
    let start: Item | undefined;
    do {
      const listed = await this.query<T>(start === undefined ? query : { ...query, start });
      items.push(...listed.items);
      start = listed.next;
    } while (start !== undefined);
    return items;
  }

  /** Throws Refused when the condition does not hold. */
  async put(item: Item & Key, conditional: Conditional = {}): Promise<void> {
    orThrow(await this.tryPut(item, conditional));
  }

  async tryPut(item: Item & Key, conditional: Conditional): Promise<Refused | undefined> {
    const answer = await this.conditional(conditional, () =>
      this.client.send(
        new PutItemCommand({ TableName: this.name, Item: toAttributes(item), ...conditionInput(conditional) }),
      ),
    );
    return answer instanceof Refused ? answer : undefined;
  }

  /** Returns the item after the update. Throws Refused when the condition does not hold. */
  async update<T>(key: Key, change: { update: string } & Conditional): Promise<T> {
    const { item, refused } = await this.tryUpdate<T>(key, change);
    if (refused !== undefined) throw refused;
    return item;
  }

  /** Returns the item after the update, or the refusal. */
  async tryUpdate<T>(
    key: Key,
    { update, ...conditional }: { update: string } & Conditional,
  ): Promise<{ item: T; refused?: undefined } | { item?: undefined; refused: Refused }> {
    const answer = await this.conditional(conditional, () =>
      this.client.send(
        new UpdateItemCommand({
          TableName: this.name,
          Key: toKey(key),
          UpdateExpression: update,
          ...conditionInput(conditional),
          ReturnValues: 'ALL_NEW',
        }),
      ),
    );
    return answer instanceof Refused ? { refused: answer } : { item: unmarshall(answer.Attributes ?? {}) as T };
  }

  /** Throws Refused when the condition does not hold. */
  async delete(key: Key, conditional: Conditional = {}): Promise<void> {
    orThrow(await this.tryDelete(key, conditional));
  }

  async tryDelete(key: Key, conditional: Conditional): Promise<Refused | undefined> {
    const answer = await this.conditional(conditional, () =>
      this.client.send(
        new DeleteItemCommand({ TableName: this.name, Key: toKey(key), ...conditionInput(conditional) }),
      ),
    );
    return answer instanceof Refused ? answer : undefined;
  }

  /** Runs puts and deletes without conditions, 25 at a time, 8 requests in parallel, until none is left unprocessed. */
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
        if (attempt > 0) await sleep(backoffMs(attempt - 1, unprocessedPause));
        const answer = await this.client.send(new BatchWriteItemCommand({ RequestItems: { [this.name]: open } }));
        open = (answer.UnprocessedItems?.[this.name] as typeof part | undefined) ?? [];
      }
    });
  }

  /** Makes all of the writes or none, up to 100. Throws ConditionFailed, or RefusedTransaction for named writes, when a condition does not hold. */
  async transact(writes: NamedWrites): Promise<void> {
    orThrow(await this.tryTransact(writes));
  }

  /**
   * Makes all of the writes or none, up to 100, each under a name. Returns undefined on success, otherwise the refusal:
   *
   *   const refused = await table.tryTransact({ message: {...}, owner: {...} });
   *   if (refused?.by('owner')) ...
   */
  async tryTransact<Name extends string>(writes: NamedWrites<Name>): Promise<RefusedTransaction<Name> | undefined> {
    const list = listed(writes);
    const items = list.map(({ write }) => toTransactItem(this.name, write));
    for (let attempt = 1; ; attempt++) {
      try {
        await this.client.send(new TransactWriteItemsCommand({ TransactItems: items }));
        return undefined;
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) {
          if (isPassing(error) && attempt < 10) {
            await sleep(backoffMs(attempt - 1, conflictPause));
            continue;
          }
          throw error;
        }
        const reasons = error.CancellationReasons ?? [];
        const failed = reasons.map((reason) => reason.Code === 'ConditionalCheckFailed');
        if (failed.includes(true)) {
          const olds = reasons.map((reason) => (reason.Item === undefined ? undefined : unmarshall(reason.Item)));
          return new RefusedTransaction<Name>(list, failed, olds);
        }
        if (!reasons.some((reason) => passing.has(reason.Code ?? '')) || attempt >= 10) throw error;
        await sleep(backoffMs(attempt - 1, conflictPause));
      }
    }
  }

  private async conditional<T>({ condition }: Conditional, run: () => Promise<T>): Promise<T | Refused> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) {
          return new Refused(condition, error.Item === undefined ? undefined : unmarshall(error.Item));
        }
        if (!isPassing(error) || attempt >= 10) throw error;
        await sleep(backoffMs(attempt - 1, conflictPause));
      }
    }
  }
}

function orThrow(refused: Error | undefined): void {
  if (refused !== undefined) throw refused;
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
