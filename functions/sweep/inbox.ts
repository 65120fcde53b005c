import { inParallel } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { closeBatch, overdueBatches } from '../../lib/aws/inbound/inbound.ts';
import type { Swept } from './swept.ts';

/** An owner closes its batches at most so long after they are due; later nobody is at it. */
const ownersTurnMs = 5000;

/** Batches of inbound messages that were left open: their owner is gone and nobody has taken the account since. */
export async function sweepInbox(deps: Deps, swept: Swept): Promise<void> {
  const nowMs = deps.nowMs();
  await inParallel(8, await overdueBatches(deps.table, nowMs - ownersTurnMs), async (batch) => {
    if (await closeBatch(deps.table, batch, nowMs)) swept.batchesClosed += 1;
  });
}
