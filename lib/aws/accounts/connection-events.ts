import type { Table } from '../client/table.ts';
import type { Hold } from '../hosts/ownership.ts';
import { keys } from '../keys.ts';

/** Connection events are kept as long as dead sessions. */
const keptSec = 90 * 24 * 3600;

/** The last connection events of an account, as its owner stored them (lib/domain/accounts/connection-events.ts reads the bytes). */
export interface StoredEvents {
  events: Uint8Array;
  /** Time of the last frame sent or received, epoch ms. */
  activeAt: number;
}

export async function readConnectionEvents(
  table: Table,
  { tenantId, accountId }: Pick<Hold, 'tenantId' | 'accountId'>,
): Promise<StoredEvents | undefined> {
  return await table.get<StoredEvents>(keys.connectionEvents(tenantId, accountId));
}

/** Replaces an account's last connection events. Does nothing when a later owner has stored some. */
export async function saveConnectionEvents(
  table: Table,
  hold: Hold,
  stored: StoredEvents & { nowMs: number },
): Promise<void> {
  const { events, activeAt, nowMs } = stored;
  const isNoLaterOwners = {
    is: 'attribute_not_exists(pk) OR epoch <= :epoch',
    values: { ':epoch': hold.epoch },
  };
  await table.tryPut(
    {
      ...keys.connectionEvents(hold.tenantId, hold.accountId),
      type: 'connectionEvents',
      events,
      activeAt,
      epoch: hold.epoch,
      ttl: Math.floor(nowMs / 1000) + keptSec,
    },
    { condition: { isNoLaterOwners } },
  );
}
