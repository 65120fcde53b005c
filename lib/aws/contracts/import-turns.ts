import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { turnLeaseMs, turnWaitSec } from '../../domain/contracts/import-limits.ts';
import { ConditionFailed } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';

type TurnDeps = Pick<Deps, 'table' | 'nowMs'>;

/**
 * Takes the tenant's turn for an import; false while another import of the tenant has it. The item exists while a file is read:
 *
 *   free -> taken by an import -> free      given back at the end, or over after its lease
 */
export async function takeTurn(deps: TurnDeps, tenantId: string, importId: string): Promise<boolean> {
  const nowMs = deps.nowMs();
  const until = nowMs + turnLeaseMs;
  try {
    await deps.table.update(keys.importTurn(tenantId), {
      update: 'SET #t = :type, importId = :me, #u = :until, #ttl = :ttl',
      // Clauses: free; or this import's own, whose event came twice; or its lease is over.
      condition: 'attribute_not_exists(pk) OR importId = :me OR #u < :now',
      names: { '#t': 'type', '#u': 'until', '#ttl': 'ttl' },
      values: {
        ':type': 'importTurn',
        ':me': importId,
        ':until': until,
        ':now': nowMs,
        ':ttl': Math.ceil(until / 1000),
      },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** Gives the turn back. A turn that cannot be given back ends with its lease. */
export async function giveTurnBack(deps: TurnDeps, tenantId: string, importId: string): Promise<void> {
  // Clause: still this import's.
  const own = { condition: 'importId = :me', values: { ':me': importId } };
  await deps.table.delete(keys.importTurn(tenantId), own).catch(() => undefined);
}

/** A note in the import queue: S3's, or the same put back, which has waited `waits` times. */
export interface UploadNote {
  Records?: { s3: { object: { key: string } } }[];
  waits?: number;
}

/** Puts the note of one file into the queue again, so that its reader is free for other tenants. `record` is S3's. */
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
      DelaySeconds: turnWaitSec(waits),
    }),
  );
}
