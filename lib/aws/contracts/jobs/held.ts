import { accountOf, type Contract, type ContractJob } from '../../../domain/contracts/contract.ts';
import { rowMessageId } from '../../../domain/contracts/row-message.ts';
import type { Message } from '../../../domain/messages/message.ts';
import type { ObjectStore } from '../../client/objects.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../../client/table.ts';
import { finder, keys } from '../../keys.ts';
import { toMessage } from '../../messages/messages.ts';

export interface JobDeps {
  table: Table;
  pages: ObjectStore;
  nowMs(): number;
}

/** Rows looked at per step: one batch read. */
const stepRows = 100;
/** A runner that has used up its time asks for another turn; one that has not come so much later is taken for lost. */
const nextTurnMs = 60_000;

/** The item `job` of a contract, written whenever `contract.job` is: small, so that each row's step can check it. */
export interface HeldJob {
  job: ContractJob;
  /** When it was asked for (epoch ms). With `job` it tells this job from one that took its place. */
  begunAt: number;
  /** The next row to look at. */
  nextRow?: number;
  /** settle: the first row found SENDING, to be looked at again. */
  openRow?: number;
  /** settle: the rows from here on were never fed; they are canceled by number. */
  endRow?: number;
  /** Until then somebody works on it (epoch ms); the sweep asks for it afterwards. */
  busyUntil?: number;
}

/** Thrown between two steps: another job took the place of the one being run. */
export class JobReplaced extends Error {
  override name = 'JobReplaced';
}

/** Puts the item that makes the job findable, in place of any before it; belongs into the transaction that sets `contract.job`. */
export function jobWrite(of: Pick<Contract, 'tenantId' | 'id' | 'accountIds'>, job: ContractJob, nowMs: number): Write {
  const { tenantId, id } = of;
  const ixs = `${tenantId}#${accountOf(of)}#${id}`;
  return { put: { ...keys.job(tenantId, id), type: 'job', job, begunAt: nowMs, ix: finder.job, ixs } };
}

/** The contract's job, marked as being worked on; undefined when it has none. */
export async function takeJob(
  table: Table,
  of: { tenantId: string; id: string },
  deadlineMs: number,
): Promise<HeldJob | undefined> {
  try {
    return await table.update<HeldJob>(keys.job(of.tenantId, of.id), {
      update: 'SET busyUntil = :until',
      condition: 'attribute_exists(pk)',
      values: { ':until': deadlineMs + nextTurnMs },
    });
  } catch (error) {
    if (error instanceof ConditionFailed) return undefined;
    throw error;
  }
}

/** Clauses: the same kind of job; asked for at the same time. */
export function sameJob(held: HeldJob): { condition: string; values: Item } {
  return { condition: 'job = :job AND begunAt = :begun', values: { ':job': held.job, ':begun': held.begunAt } };
}

/** For the transaction of a step that only this job may take. */
export function stillHeld(contract: Contract, held: HeldJob): Write {
  return { check: keys.job(contract.tenantId, contract.id), ...sameJob(held) };
}

/** Goes through rows `[held.nextRow, last)` by hundreds. False when the time came first: what is done is noted then. */
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

/** Writes where the job stands; a field given as undefined is removed. Throws JobReplaced. */
export async function note(
  table: Table,
  contract: Contract,
  held: HeldJob,
  fields: { [K in 'nextRow' | 'openRow' | 'busyUntil']: number | undefined },
): Promise<void> {
  const given = Object.entries(fields);
  const sets = given.filter(([, value]) => value !== undefined);
  const removes = given.filter(([, value]) => value === undefined);
  const { condition, values } = sameJob(held);
  try {
    await table.update(keys.job(contract.tenantId, contract.id), {
      update: [
        sets.length > 0 ? `SET ${sets.map(([name]) => `${name} = :${name}`).join(', ')}` : '',
        removes.length > 0 ? `REMOVE ${removes.map(([name]) => name).join(', ')}` : '',
      ].join(' '),
      condition,
      values: { ...values, ...Object.fromEntries(sets.map(([name, value]) => [`:${name}`, value])) },
    });
  } catch (error) {
    if (error instanceof ConditionFailed) throw new JobReplaced();
    throw error;
  }
}

/** Contract and item say together that the job is over; one that took its place stays. */
export async function endJob(table: Table, contract: Contract, held: HeldJob): Promise<void> {
  try {
    await table.transact([
      {
        update: 'REMOVE job',
        key: keys.contract(contract.tenantId, contract.id),
        condition: 'job = :job',
        values: { ':job': held.job },
      },
      { delete: keys.job(contract.tenantId, contract.id), ...sameJob(held) },
    ]);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}
