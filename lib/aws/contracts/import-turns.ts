import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { turnLeaseMs, turnWaitSec } from '../../domain/contracts/import-limits.ts';
import { patch } from '../client/patch.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';

type TurnDeps = Pick<Deps, 'table' | 'nowMs'>;

/**
 * Takes the tenant's turn for an import. Returns false while another import of the tenant has it. The item exists while a file is read:
 *
 *   free -> taken by an import -> free      given back at the end, or over after its lease
 */
export async function takeTurn(deps: TurnDeps, tenantId: string, importId: string): Promise<boolean> {
  const nowMs = deps.nowMs();
  const until = nowMs + turnLeaseMs;
  // An import's event may come twice: the turn is its own then.
  const isFreeOrOurs = {
    is: 'attribute_not_exists(pk) OR #importId = :importId OR #until < :now',
    values: { ':now': nowMs },
  };
  const { refused } = await deps.table.tryUpdate(keys.importTurn(tenantId), {
    ...patch({ type: 'importTurn', importId, until, ttl: Math.ceil(until / 1000) }),
    condition: { isFreeOrOurs },
  });
  return refused === undefined;
}

/** Gives the turn back. A turn that cannot be given back ends with its lease. */
export async function giveTurnBack(deps: TurnDeps, tenantId: string, importId: string): Promise<void> {
  const isOurs = { is: 'importId = :me', values: { ':me': importId } };
  await deps.table.tryDelete(keys.importTurn(tenantId), { condition: { isOurs } }).catch(() => undefined);
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
