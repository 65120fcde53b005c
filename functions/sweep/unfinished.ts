import { requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { moveContract, readContract } from '../../lib/aws/contracts/contracts.ts';
import { expireImport } from '../../lib/aws/contracts/imports.ts';
import type { HeldJob } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { findAccounts } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys, places } from '../../lib/aws/keys.ts';
import { PacelineError } from '../../lib/domain/errors.ts';
import { makeFindable } from './findable.ts';
import type { Failed, Swept } from './swept.ts';

/** A settle job may wait for a message being sent until it is given up after 24 h. No job waits longer. */
const jobStuckMs = 25 * 3_600_000;

/** Starts contracts whose `startAt` has come. A contract whose file is still being read starts once it has its rows. */
export async function sweepStarts(deps: Deps, swept: Swept, failed: Failed): Promise<void> {
  const due = await deps.table.queryAll<{ ixs: string }>({
    pk: finder.start,
    index: finder.index,
    skBetween: places.before(deps.nowMs()),
  });
  for (const { ixs } of due) {
    const place = places.dueContract.read(ixs);
    if (place === undefined) continue;
    try {
      if (await start(deps, place.tenantId, place.contractId)) swept.contractsStarted += 1;
    } catch (error) {
      failed('starts', error);
    }
  }
}

async function start(deps: Deps, tenantId: string, contractId: string): Promise<boolean> {
  const origin = { tenantId, keyId: 'schedule', at: deps.nowMs(), ip: '-', requestId: '-' };
  for (;;) {
    const contract = await readContract(deps.table, tenantId, contractId);
    if (contract?.status === 'IMPORTING') return false;
    try {
      await moveContract(deps, origin, tenantId, contractId, 'start');
      return true;
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      const now = await readContract(deps.table, tenantId, contractId);
      if (now !== undefined && now.status !== contract?.status) continue;
      // The contract was started, canceled or deleted in the meantime, or has no rows: its schedule ends.
      await deps.table.delete(keys.startAt(tenantId, contractId));
      return false;
    }
  }
}

/** Asks the feed for jobs without a runner: their request was given up, or they wait for a message being sent. */
export async function sweepJobs(deps: Deps, swept: Swept): Promise<void> {
  const found = await deps.table.queryAll<{ ixs: string }>({ pk: finder.job, index: finder.index });
  const refs = found.flatMap(({ ixs }) => places.contract.read(ixs) ?? []);
  const jobs = await deps.table.getMany<HeldJob>(
    refs.map(({ tenantId, contractId }) => keys.job(tenantId, contractId)),
    { eventually: true },
  );
  for (const [index, ref] of refs.entries()) {
    const job = jobs[index];
    if (job === undefined) continue;
    if (deps.nowMs() - job.begunAt > jobStuckMs) swept.contractsStuck += 1;
    if (deps.nowMs() < (job.busyUntil ?? 0)) continue;
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'job', ...ref });
    swept.jobsAsked += 1;
  }
}

/** Ends imports whose upload never came or could not be read. Their contracts would stay IMPORTING for ever. */
export async function sweepImports(deps: Deps, swept: Swept, failed: Failed): Promise<void> {
  const due = await deps.table.queryAll<{ ixs: string }>({
    pk: finder.import,
    index: finder.index,
    skBetween: places.before(deps.nowMs()),
  });
  for (const { ixs } of due) {
    const place = places.dueContract.read(ixs);
    if (place === undefined) continue;
    try {
      if (await expireImport(deps, { tenantId: place.tenantId, id: place.contractId, ixs })) swept.importsExpired += 1;
    } catch (error) {
      failed('imports', error);
    }
  }
}

/** Asks again for the removal of deleted accounts that still exist: the earlier request may be lost. */
export async function sweepDeleted(deps: Deps, swept: Swept): Promise<void> {
  for (const refs of await findAccounts(deps.table, finder.deleted)) {
    if (await makeFindable(deps, refs)) swept.accountsFound += 1;
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'remove', ...refs });
    swept.removalsAsked += 1;
  }
}
