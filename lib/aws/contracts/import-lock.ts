import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { importLeaseMs, importWaitSec } from '../../domain/contracts/import-limits.ts';
import { patch } from '../client/patch.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';

type LockDeps = Pick<Deps, 'table' | 'nowMs'>;

/**
 * Locks the imports of a tenant for one of them. Returns false while another import of the tenant has the lock. The item exists while a file is
 * read; its type and sort key are `importTurn` and `TURN`, as earlier versions wrote them:
 *
 *   free -> locked by an import -> free      unlocked at the end of the import, or when its lease is over
 */
export async function lockImports(deps: LockDeps, tenantId: string, importId: string): Promise<boolean> {
  const nowMs = deps.nowMs();
  const until = nowMs + importLeaseMs;
  // The event of an import may come twice: the lock is its own then.
  const isFreeOrOurs = {
    is: 'attribute_not_exists(pk) OR #importId = :importId OR #until < :now',
    values: { ':now': nowMs },
  };
  const { refused } = await deps.table.tryUpdate(keys.importLock(tenantId), {
    ...patch({ type: 'importTurn', importId, until, ttl: Math.ceil(until / 1000) }),
    condition: { isFreeOrOurs },
  });
  return refused === undefined;
}

/** Unlocks the imports of a tenant. A lock that cannot be removed ends with its lease. */
export async function unlockImports(deps: LockDeps, tenantId: string, importId: string): Promise<void> {
  const isOurs = { is: 'importId = :me', values: { ':me': importId } };
  await deps.table.tryDelete(keys.importLock(tenantId), { condition: { isOurs } }).catch(() => undefined);
}

/** A message of the import queue: a notification of S3, or a copy of one that was put back and has waited `waits` times. */
export interface UploadNote {
  Records?: { s3: { object: { key: string } } }[];
  waits?: number;
}

/** Puts the notification of one file into the queue again, so that its reader can serve other tenants. `record` is S3's. */
export async function putBack(
  deps: Pick<Deps, 'sqs' | 'config'>,
  record: NonNullable<UploadNote['Records']>[number],
  waits: number,
): Promise<void> {
  const note: UploadNote = { Records: [{ s3: { object: { key: record.s3.object.key } } }], waits: waits + 1 };
  await deps.sqs.send(
    new SendMessageCommand({
      QueueUrl: deps.config.IMPORT_QUEUE_URL,
      MessageBody: JSON.stringify(note),
      DelaySeconds: importWaitSec(waits),
    }),
  );
}
