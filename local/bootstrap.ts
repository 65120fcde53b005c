import { randomBytes } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Table } from '../lib/aws/client/table.ts';
import { ensureKey } from '../lib/aws/tenants/api-keys.ts';
import { ensureTenant } from '../lib/aws/tenants/tenants.ts';
import type { Keys } from './data-folder.ts';

/** The tenant of the printed API key. It has no default country, so numbers need their country code. */
export const LOCAL_TENANT = 'local';

/** Ensures that the tenant "local" exists and that both keys have their scopes. A second call changes nothing. */
export async function bootstrap(dynamodb: DynamoDBClient, tableName: string, keys: Keys): Promise<void> {
  const deps = {
    table: new Table(dynamodb, tableName),
    nowMs: () => Date.now(),
    randomBytes: (count: number) => new Uint8Array(randomBytes(count)),
  };
  await ensureTenant(deps, LOCAL_TENANT, { name: 'local' });
  await ensureKey(deps, { name: 'local admin', scopes: ['admin'], secret: keys.adminKey });
  await ensureKey(deps, {
    tenantId: LOCAL_TENANT,
    name: 'local',
    scopes: ['read', 'send', 'manage'],
    secret: keys.apiKey,
  });
}
