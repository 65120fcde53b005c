import { absent, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

const secretBytes = 32;

/**
 * Returns the tenant's secret: 32 random bytes, from which ids derive that outsiders must not compute. The first call creates it; it never changes.
 * It has an item of its own, and must not appear in answers, events, the audit log or logs.
 */
export async function tenantSecret(
  { table, randomBytes }: { table: Table; randomBytes(n: number): Uint8Array },
  tenantId: string,
): Promise<Uint8Array> {
  const key = keys.tenantSecret(tenantId);
  const there = await table.get<{ secret: Uint8Array }>(key);
  if (there !== undefined) return there.secret;
  const secret = Uint8Array.from(randomBytes(secretBytes));
  // When two calls race, the secret stored first remains.
  const refused = await table.tryPut({ ...key, type: 'tenantSecret', secret }, { condition: { isFirst: absent } });
  if (refused === undefined) return secret;
  const first = refused.old<{ secret: Uint8Array }>();
  if (first === undefined) throw refused;
  return first.secret;
}
