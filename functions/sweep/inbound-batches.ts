import { inParallel } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { closeBatch, overdueBatches } from '../../lib/aws/inbound/inbound.ts';
import type { Swept } from './swept.ts';

/** An owner closes its batches at most so long after they are due. Batches that are open later have no owner. */
const ownersTimeMs = 5000;

/** Closes batches of inbound messages that were left open: their owner is gone, and no other host has taken the account since. */
export async function closeInboundBatches(deps: Deps, swept: Swept): Promise<void> {
  const nowMs = deps.nowMs();
  await inParallel(8, await overdueBatches(deps.table, nowMs - ownersTimeMs), async (batch) => {
    if (await closeBatch(deps.table, batch, nowMs)) swept.batchesClosed += 1;
  });
}
