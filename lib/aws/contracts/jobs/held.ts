import { accountOf, type Contract, type ContractJob } from '../../../domain/contracts/contract.ts';
import { rowMessageId } from '../../../domain/contracts/row-message.ts';
import type { Message } from '../../../domain/messages/message.ts';
import type { ObjectStore } from '../../client/objects.ts';
import { patch } from '../../client/patch.ts';
import { type Clauses, type Item, present, type Table, type Write } from '../../client/table.ts';
import { finder, keys, places } from '../../keys.ts';
import { toMessage } from '../../messages/messages.ts';

export interface JobDeps {
  table: Table;
  pages: ObjectStore;
  nowMs(): number;
}

/** Rows read per step: one batch read. */
const stepRows = 100;
/** A runner that is out of time asks for another run. When that run does not come within this time, it counts as lost. */
const nextRunMs = 60_000;

/** The item `job` of a contract, written whenever `contract.job` is: small, so that each row's step can check it. */
export interface HeldJob {
  job: ContractJob;
  /** Time of the request (epoch ms). With `job` it distinguishes this job from a later one. */
  begunAt: number;
  /** The next row to read. */
  nextRow?: number;
  /** settle: the first row found SENDING, to be read again. */
  openRow?: number;
  /** settle: the rows from here on were never fed, so they are canceled by count. */
  endRow?: number;
  /** A runner works on the job until then (epoch ms); afterwards the sweep asks for the job. */
  busyUntil?: number;
}

/** Thrown between two steps when another job has replaced this one. */
export class JobReplaced extends Error {
  override name = 'JobReplaced';
}

/**
 * Returns the write of the item by which the sweep finds the job; it replaces an earlier one. Put it into the transaction that sets `contract.job`.
 */
export function jobWrite(of: Pick<Contract, 'tenantId' | 'id' | 'accountIds'>, job: ContractJob, nowMs: number): Write {
  const { tenantId, id } = of;
  const ixs = places.contract.of(tenantId, accountOf(of), id);
  return { put: { ...keys.job(tenantId, id), type: 'job', job, begunAt: nowMs, ix: finder.job, ixs } };
}

/** Marks the contract's job as being worked on and returns it. Returns undefined when there is no job. */
export async function takeJob(
  table: Table,
  of: { tenantId: string; id: string },
  deadlineMs: number,
): Promise<HeldJob | undefined> {
  const { item } = await table.tryUpdate<HeldJob>(keys.job(of.tenantId, of.id), {
    ...patch({ busyUntil: deadlineMs + nextRunMs }),
    condition: { exists: present },
  });
  return item;
}

/** Clauses of the item `job`: it is the same kind of job, with the same time of request. */
export function sameJob(held: HeldJob): Clauses {
  return {
    isSameKind: { is: 'job = :job', values: { ':job': held.job } },
    isAskedAtSameTime: { is: 'begunAt = :begun', values: { ':begun': held.begunAt } },
  };
}

/** Returns the check that this job still holds, for the transaction of a step. */
export function stillHeld(contract: Contract, held: HeldJob): Write {
  return { check: keys.job(contract.tenantId, contract.id), condition: sameJob(held) };
}

/** Goes through rows `[held.nextRow, last)`, 100 a step. Returns false when the deadline came first; the next row is then stored. */
export async function eachStep(
  deps: JobDeps,
  contract: Contract,
  held: HeldJob,
  last: number,
  deadlineMs: number,
  step: (row: number, messages: (Message | undefined)[]) => Promise<void>,
): Promise<boolean> {
  for (let row = held.nextRow ?? 0; row < last; row += stepRows) {
    if (deps.nowMs() >= deadlineMs) {
      await note(deps.table, contract, held, { nextRow: row, openRow: held.openRow, busyUntil: held.busyUntil });
      return false;
    }
    const ids = Array.from({ length: Math.min(stepRows, last - row) }, (_, i) => rowMessageId(contract, row + i));
    const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(contract.tenantId, id)));
    await step(
      row,
      items.map((item) => (item === undefined ? undefined : toMessage(item))),
    );
  }
  return true;
}

/** Stores the progress of the job; an undefined field is removed. Throws JobReplaced. */
export async function note(
  table: Table,
  contract: Contract,
  held: HeldJob,
  fields: { [K in 'nextRow' | 'openRow' | 'busyUntil']: number | undefined },
): Promise<void> {
  const change = { ...patch(fields), condition: sameJob(held) };
  const { refused } = await table.tryUpdate(keys.job(contract.tenantId, contract.id), change);
  if (refused !== undefined) throw new JobReplaced();
}

/** Ends the job in both the contract and the item. Does nothing when another job has replaced it. */
export async function endJob(table: Table, contract: Contract, held: HeldJob): Promise<void> {
  await table.tryTransact({
    contract: {
      key: keys.contract(contract.tenantId, contract.id),
      ...patch({ job: undefined }),
      condition: { hasSameKindOfJob: { is: '#job = :held', values: { ':held': held.job } } },
    },
    job: { delete: keys.job(contract.tenantId, contract.id), condition: sameJob(held) },
  });
}
