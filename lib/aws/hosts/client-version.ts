import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';

/** Returns the WhatsApp client version that a host learned last, as `2.3000.1234567`; undefined when no host has learned one. */
export async function readClientVersion(table: Table): Promise<string | undefined> {
  const item = await table.get<{ version?: unknown }>(keys.clientVersion());
  return typeof item?.version === 'string' ? item.version : undefined;
}

export async function saveClientVersion(table: Table, version: string, nowMs: number): Promise<void> {
  await table.transact({
    version: { put: { ...keys.clientVersion(), type: 'clientVersion', version, learntAt: nowMs } },
  });
}
