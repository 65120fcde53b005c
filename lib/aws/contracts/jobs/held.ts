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

/** Rows looked at per step: one batch read. */
const stepRows = 100;
/** A runner that has used up its time asks for another run; one that has not come so much later is taken for lost. */
const nextRunMs = 60_000;

/** The item `job` of a contract, written whenever `contract.job` is: small, so that each row's step can check it. */
export interface HeldJob {
  job: ContractJob;
  /** When it was asked for (epoch ms). With `job` it distinguishes this job from one that took its place. */
  begunAt: number;
  /** The next row to look at. */
  nextRow?: number;
  /** settle: the first row found SENDING, to be looked at again. */
  openRow?: number;
  /** settle: the rows from here on were never fed; they are canceled by number. */
  endRow?: number;
  /** Until then a runner works on the job (epoch ms); the sweep asks for the job afterwards. */
  busyUntil?: number;
}

/** Thrown between two steps: another job took the place of the one being run. */
export class JobReplaced extends Error {
  override name = 'JobReplaced';
}

/** Puts the item that makes the job findable, in place of any before it; belongs into the transaction that sets `contract.job`. */
export function jobWrite(of: Pick<Contract, 'tenantId' | 'id' | 'accountIds'>, job: ContractJob, nowMs: number): Write {
  const { tenantId, id } = of;
  const ixs = places.contract.of(tenantId, accountOf(of), id);
  return { put: { ...keys.job(tenantId, id), type: 'job', job, begunAt: nowMs, ix: finder.job, ixs } };
}

/** Marks the contract's job as being worked on, and returns it; undefined when the contract has none. */
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

/** Clauses of the item `job`: the same kind of job, asked for at the same time. */
export function sameJob(held: HeldJob): Clauses {
  return {
    isSameKind: { is: 'job = :job', values: { ':job': held.job } },
    isAskedAtSameTime: { is: 'begunAt = :begun', values: { ':begun': held.begunAt } },
  };
}

/** Returns the check for the transaction of a step that only this job may take. */
export function stillHeld(contract: Contract, held: HeldJob): Write {
  return { check: keys.job(contract.tenantId, contract.id), condition: sameJob(held) };
}

/** Goes through rows `[held.nextRow, last)` by hundreds. Returns false when the time came first: where the job stands is noted then. */
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

/** Writes where the job stands; a field that is undefined is removed. Throws JobReplaced. */
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

/** Ends the job, in contract and item at once. A job that took its place stays. */
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
