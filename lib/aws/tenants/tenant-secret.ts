import { ConditionFailed } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';

const secretBytes = 32;

/**
 * The tenant's secret: 32 random bytes from which ids derive that outsiders must not compute. Made at its first use, and never changed. It
 * stands in an item of its own and must not appear in answers, events, the audit log or logs.
 */
export async function tenantSecret(
  { table, randomBytes }: Pick<Deps, 'table' | 'randomBytes'>,
  tenantId: string,
): Promise<Uint8Array> {
  const key = keys.tenantSecret(tenantId);
  const there = await table.get<{ secret: Uint8Array }>(key);
  if (there !== undefined) return there.secret;
  const secret = Uint8Array.from(randomBytes(secretBytes));
  try {
    // Clause: no other call has made one; of two the first wins.
    await table.put({ ...key, type: 'tenantSecret', secret }, { condition: 'attribute_not_exists(pk)' });
    return secret;
  } catch (error) {
    const first = error instanceof ConditionFailed ? error.olds[0] : undefined;
    if (first === undefined) throw error;
    return first.secret as Uint8Array;
  }
}
