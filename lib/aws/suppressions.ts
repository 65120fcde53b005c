import type { PageRow } from '../domain/contract.ts';
import { addressOf, type Person } from '../domain/person.ts';
import type { Suppression, SuppressionSource } from '../domain/suppression.ts';
import { auditWrite, type Origin } from './audit.ts';
import type { Deps } from './deps.ts';
import { type Key, keys } from './keys.ts';
import { newestFirst, type Page } from './newest-first.ts';
import { ConditionFailed, inParallel, type Table, type Write } from './table.ts';

/**
 * Two kinds of items:
 *   recipient    by number and by LID: what a claim checks; says where the person is listed
 *   suppression  one a person, in the order of time: what lists show and events are made of; put and removed, never changed
 */
interface Recipient extends Person {
  suppressedAt: number;
  /** `addressOf` under which the person is listed. */
  listedAs: string;
  source: SuppressionSource;
}

/** Which of these numbers (digits, or `lid:` and a LID) are not written to; an eventually consistent answer, which the claim repeats for good. */
export async function suppressedAmong(
  table: Table,
  tenantId: string,
  numbers: Iterable<string>,
  { eventually = true } = {},
): Promise<Set<string>> {
  const distinct = [...new Set(numbers)];
  const items = await table.getMany<Partial<Recipient>>(
    distinct.map((digits) => keys.recipient(tenantId, digits)),
    { eventually },
  );
  return new Set(distinct.filter((_, index) => items[index]?.suppressedAt !== undefined));
}

/** The rows of an order, those to people who have opted out marked as final at once. */
export async function skipSuppressed(table: Table, tenantId: string, rows: PageRow[]): Promise<PageRow[]> {
  const open = rows.filter(({ skip }) => skip === undefined);
  const suppressed = await suppressedAmong(
    table,
    tenantId,
    open.map(({ to }) => to),
  );
  if (suppressed.size === 0) return rows;
  return rows.map((row) => (row.skip === undefined && suppressed.has(row.to) ? { ...row, skip: 'SUPPRESSED' } : row));
}

/** Whether the person is not written to, by number or by LID. Strongly consistent. */
export async function readRecipients(
  table: Table,
  tenantId: string,
  { phoneNumber, lid }: Person,
): Promise<{ number: Recipient | undefined; lid: Recipient | undefined }> {
  const wanted = [phoneNumber, lid === undefined ? undefined : `lid:${lid}`];
  const asked = wanted.flatMap((key) => (key === undefined ? [] : [keys.recipient(tenantId, key)]));
  const found = await table.getMany<Recipient>(asked);
  const suppressed = (item: Recipient | undefined) => (item?.suppressedAt === undefined ? undefined : item);
  const number = phoneNumber === undefined ? undefined : suppressed(found[0]);
  return { number, lid: lid === undefined ? undefined : suppressed(found.at(-1)) };
}

/**
 * The writes that stop messages to a person, by number and by LID; each on condition that nobody did so, or the opposite, in between. `isNew` false: not
 * written to already, by the number or, without one, by the LID; `writes` then complete what is there.
 */
export async function planSuppression(
  table: Table,
  suppression: Suppression,
): Promise<{ isNew: boolean; writes: Write[] }> {
  const { tenantId, phoneNumber, lid, at, source } = suppression;
  const there = await readRecipients(table, tenantId, suppression);
  const listed = phoneNumber === undefined ? there.lid : there.number;
  const isNew = listed === undefined;
  const recipient: Recipient = {
    ...(phoneNumber === undefined ? {} : { phoneNumber }),
    ...(lid === undefined ? {} : { lid }),
    suppressedAt: listed?.suppressedAt ?? at,
    listedAs: listed?.listedAs ?? addressOf(suppression),
    source: listed?.source ?? source,
  };
  const writes: Write[] = [];
  if (phoneNumber !== undefined) writes.push(recipientWrite(tenantId, phoneNumber, recipient, there.number));
  if (lid !== undefined) writes.push(recipientWrite(tenantId, `lid:${lid}`, recipient, there.lid));
  if (isNew) writes.push({ put: { ...listKey(tenantId, recipient), type: 'suppression', ...suppression } });
  return { isNew, writes };
}

/** One that is there stays as it is; without the check, somebody who takes it away at this moment would have the last word. */
function recipientWrite(tenantId: string, key: string, recipient: Recipient, there: Recipient | undefined): Write {
  if (there === undefined) return recipientPut(tenantId, key, recipient);
  return {
    check: keys.recipient(tenantId, key),
    // Clause: as it was read.
    condition: 'suppressedAt = :at',
    values: { ':at': there.suppressedAt },
  };
}

function recipientPut(tenantId: string, key: string, recipient: Recipient): Write {
  return {
    put: { ...keys.recipient(tenantId, key), type: 'recipient', ...recipient },
    // Clause: nobody has in between.
    condition: 'attribute_not_exists(suppressedAt)',
  };
}

const listKey = (tenantId: string, { suppressedAt, listedAs }: Recipient): Key =>
  keys.suppression(tenantId, suppressedAt, listedAs);

/** The writes that allow messages to a person again; none: they were allowed. With `only`, what came from elsewhere stays. */
export async function planRelease(
  table: Table,
  tenantId: string,
  person: Person,
  only?: SuppressionSource,
): Promise<Write[]> {
  const first = await readRecipients(table, tenantId, person);
  // Whoever is known by one address may be suppressed by the other.
  const known: Person = { ...first.lid, ...first.number, ...person };
  const all = await readRecipients(table, tenantId, {
    ...(known.phoneNumber === undefined ? {} : { phoneNumber: known.phoneNumber }),
    ...(known.lid === undefined ? {} : { lid: known.lid }),
  });
  const writes = new Map<string, Write>();
  const add = (key: Key, write: Write) => writes.set(`${key.pk}\n${key.sk}`, write);
  for (const [address, recipient] of [
    [known.phoneNumber, all.number],
    [`lid:${known.lid}`, all.lid],
  ] as const) {
    if (address === undefined || recipient === undefined) continue;
    if (only !== undefined && recipient.source !== only) continue;
    const key = keys.recipient(tenantId, address);
    // Clause: as it was read.
    add(key, { delete: key, condition: 'suppressedAt = :at', values: { ':at': recipient.suppressedAt } });
    const entry = listKey(tenantId, recipient);
    add(entry, { delete: entry });
  }
  return [...writes.values()];
}

/** Stops messages to a number, with its entry in the audit log; `isNew` false: they had been stopped, and `suppression` is what stands. */
export async function addSuppression(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  suppression: Suppression & { phoneNumber: string },
): Promise<{ isNew: boolean; suppression: Suppression }> {
  for (;;) {
    const { isNew, writes } = await planSuppression(deps.table, suppression);
    if (!isNew) {
      const there = await readSuppression(deps.table, suppression.tenantId, suppression);
      return { isNew, suppression: there ?? suppression };
    }
    const { phoneNumber, reason } = suppression;
    const audit = auditWrite(
      origin,
      { action: 'suppression.created', target: phoneNumber, changes: { reason } },
      deps.randomBytes,
    );
    if (await stood(deps.table, [...writes, audit])) return { isNew, suppression };
  }
}

/** Allows messages to a person again. False: they were allowed. */
export async function removeSuppression(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  person: Person,
): Promise<boolean> {
  for (;;) {
    const writes = await planRelease(deps.table, origin.tenantId, person);
    if (writes.length === 0) return false;
    const audit = auditWrite(origin, { action: 'suppression.deleted', target: addressOf(person) }, deps.randomBytes);
    if (await stood(deps.table, [...writes, audit])) return true;
  }
}

/** The list's entry of a person, undefined for those who are written to. */
export async function readSuppression(
  table: Table,
  tenantId: string,
  person: Person,
): Promise<Suppression | undefined> {
  const { number, lid } = await readRecipients(table, tenantId, person);
  const recipient = number ?? lid;
  return recipient === undefined ? undefined : await table.get<Suppression>(listKey(tenantId, recipient));
}

/** Numbers of a transaction: two items each. */
const numbersAtOnce = 40;

/** Stops messages to many distinct numbers; those that were stopped before stay as they are. Repeating it adds nothing. */
export async function importSuppressions(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  wanted: (Suppression & { phoneNumber: string })[],
): Promise<{ added: number; existing: number }> {
  const parts: (typeof wanted)[] = [];
  for (let at = 0; at < wanted.length; at += numbersAtOnce) parts.push(wanted.slice(at, at + numbersAtOnce));
  let added = 0;
  await inParallel(8, parts, async (part) => {
    for (;;) {
      const there = await suppressedAmong(
        deps.table,
        origin.tenantId,
        part.map(({ phoneNumber }) => phoneNumber),
      );
      const anew = part.filter(({ phoneNumber }) => !there.has(phoneNumber));
      const writes = anew.flatMap((suppression): Write[] => {
        const { tenantId, phoneNumber, at, source } = suppression;
        const recipient: Recipient = { phoneNumber, suppressedAt: at, listedAs: phoneNumber, source };
        const put = { ...listKey(tenantId, recipient), type: 'suppression', ...suppression };
        return [recipientPut(tenantId, phoneNumber, recipient), { put }];
      });
      if (writes.length > 0 && !(await stood(deps.table, writes))) continue;
      added += anew.length;
      return;
    }
  });
  const changes = { added, existing: wanted.length - added };
  await deps.table.transact([
    auditWrite(origin, { action: 'suppressions.imported', target: origin.tenantId, changes }, deps.randomBytes),
  ]);
  return changes;
}

/** One step through a tenant's list, newest first; `before` is the `next` of the step before. */
export async function listSuppressions(
  table: Table,
  tenantId: string,
  step: Page,
): Promise<{ items: Suppression[]; next?: string }> {
  const { pk } = keys.suppression(tenantId, 0, '');
  const keyOf = (place: string): Key => ({ pk, sk: `S#${place}` });
  const { items, last } = await newestFirst<Suppression & Key>(table, keyOf, step);
  return last === undefined ? { items } : { items, next: last.sk.slice('S#'.length) };
}

/** False: somebody changed one of the items in between, and nothing was written. */
async function stood(table: Table, writes: Write[]): Promise<boolean> {
  try {
    await table.transact(writes);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/**
 * A number turns out to be a person who opted out by LID alone: from now on the number is not written to either. False: the person may be
 * written to.
 */
export async function suppressNumberOf(
  table: Table,
  tenantId: string,
  person: { phoneNumber: string; lid: string },
): Promise<boolean> {
  // Next to nobody is on the list by LID; asked of each person who is written to for the first time, the number is not read for nothing.
  if ((await table.get(keys.recipient(tenantId, `lid:${person.lid}`))) === undefined) return false;
  for (;;) {
    const there = await readRecipients(table, tenantId, person);
    if (there.lid === undefined) return false;
    if (there.number !== undefined) return true;
    const { suppressedAt, listedAs, source } = there.lid;
    const write = recipientPut(tenantId, person.phoneNumber, { ...person, suppressedAt, listedAs, source });
    if (await stood(table, [write])) return true;
  }
}
