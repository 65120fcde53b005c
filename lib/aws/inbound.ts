import { keys } from './keys.ts';
import type { Hold } from './ownership.ts';
import { ConditionFailed, type Table } from './table.ts';

/** A message somebody sent to an account. `at` is epoch milliseconds, `ttl` epoch seconds. */
export interface InboundRecord {
  id: string;
  from: string;
  fromLid?: string;
  kind: 'text' | 'other';
  text?: string;
  at: number;
  ttl: number;
}

/** Stores an inbound message before WhatsApp gets its receipt. False: it was there already (a redelivery). */
export async function storeInbound(table: Table, hold: Hold, message: InboundRecord): Promise<boolean> {
  try {
    await table.put(
      { ...keys.inbound(hold.tenantId, hold.accountId, message.id), type: 'inbound', ...message },
      { condition: 'attribute_not_exists(pk)' },
    );
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}
