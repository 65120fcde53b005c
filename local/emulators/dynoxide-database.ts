import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { AwsJsonError, awsJson } from './aws-json.ts';

/** Runs `work` on a second connection to dynoxide's file. SQLite's locks keep the two connections apart. */
function withDatabase<T>(file: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file, { timeout: 2000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** Adds an index. Without it each write to a table with a stream reads all its stream records: 12 ms instead of 1 at 50,000 records. */
export function prepareStream(file: string): void {
  withDatabase(file, (database) =>
    database.exec(
      'CREATE INDEX IF NOT EXISTS paceline_stream ON _stream_records(table_name, CAST(sequence_number AS INTEGER))',
    ),
  );
}

/** Removes stream records from before `beforeMs` and returns how many. Each table's newest stays, because dynoxide numbers the next one after it. */
export function trimStream(file: string, beforeMs: number): number {
  return withDatabase(file, (database) => {
    const sql = `DELETE FROM _stream_records WHERE created_at < ?
      AND id NOT IN (SELECT MAX(id) FROM _stream_records GROUP BY table_name)`;
    return Number(database.prepare(sql).run(Math.floor(beforeMs / 1000)).changes);
  });
}

interface TableRow {
  table_name: string;
  key_schema: string;
  ttl_attribute: string;
}

const MAX_EXPIRED_A_SWEEP = 5000;

/**
 * Deletes items whose TTL has passed and returns how many. The deletions go through the API, so that the stream shows them. An item whose TTL has
 * changed meanwhile stays.
 */
export async function expireItems(file: string, endpoint: string, nowMs: number): Promise<number> {
  if (!existsSync(file)) return 0;
  const nowSec = Math.floor(nowMs / 1000);
  const expired = withDatabase(file, (database) => findExpired(database, nowSec));
  let deleted = 0;
  for (const { table, key, attribute } of expired) {
    try {
      await awsJson(endpoint, 'DynamoDB_20120810.DeleteItem', {
        TableName: table,
        Key: key,
        ConditionExpression: '#ttl < :now',
        ExpressionAttributeNames: { '#ttl': attribute },
        ExpressionAttributeValues: { ':now': { N: String(nowSec) } },
      });
      deleted++;
    } catch (error) {
      if (!(error instanceof AwsJsonError && error.code === 'ConditionalCheckFailedException')) throw error;
    }
  }
  return deleted;
}

function findExpired(database: DatabaseSync, nowSec: number): { table: string; key: object; attribute: string }[] {
  const tables = database.prepare('SELECT table_name, key_schema, ttl_attribute FROM _tables WHERE ttl_enabled = 1');
  const found: { table: string; key: object; attribute: string }[] = [];
  for (const row of tables.all()) {
    const table = row as unknown as TableRow;
    const names: string[] = JSON.parse(table.key_schema).map((part: { AttributeName: string }) => part.AttributeName);
    const path = `$."${table.ttl_attribute}".N`;
    const sql = `SELECT item_json FROM "${table.table_name.replaceAll('"', '""')}"
      WHERE CAST(json_extract(item_json, ?) AS INTEGER) BETWEEN 1 AND ? LIMIT ${MAX_EXPIRED_A_SWEEP}`;
    for (const item of database.prepare(sql).all(path, nowSec - 1)) {
      const image = JSON.parse(String(item.item_json));
      const key = Object.fromEntries(names.map((name) => [name, image[name]]));
      found.push({ table: table.table_name, key, attribute: table.ttl_attribute });
    }
  }
  return found;
}
