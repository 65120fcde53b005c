import { addressesOf, addressOf, type Person, personAt } from '../../domain/people/person.ts';
import { earlierReason, type Suppression, type SuppressionSource } from '../../domain/people/suppression.ts';
import { type ListStep, newestFirst } from '../client/newest-first.ts';
import { patch, unlessSet } from '../client/patch.ts';
import { absent, type Clauses, inParallel, present, type Table, targetOf, type Write } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { type Key, keys, partsOf, suppressionAt } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';

/**
 * An item that says: no messages to this address. One stands under each address of a person (every spelling of the number, the LID); they are
 * put and removed in one transaction, with the person's one entry in the list. So a claim that checks the address it writes to is right.
 *
 * Earlier versions put the item under one spelling only. Therefore all readers here ask for every spelling, and the owner asks for the other
 * spelling before a claim (lib/sending/admission.ts). `extendSuppression` then puts the items that are missing.
 */
interface Recipient extends Person {
  suppressedAt: number;
  /** The address in the key of the person's list entry. */
  listedAs: string;
  source: SuppressionSource;
}

/** Items of people on the list, by address. */
type Standing = ReadonlyMap<string, Recipient>;

/** Returns which of exactly these addresses are on the list. Strongly consistent unless said otherwise. */
export async function listedAmong(
  table: Table,
  tenantId: string,
  addresses: Iterable<string>,
  { eventually = false } = {},
): Promise<Set<string>> {
  return new Set((await readStanding(table, tenantId, addresses, { eventually })).keys());
}

async function readStanding(
  table: Table,
  tenantId: string,
  addresses: Iterable<string>,
  options: { eventually?: boolean } = {},
): Promise<Map<string, Recipient>> {
  const distinct = [...new Set(addresses)];
  const items = await table.getMany<Recipient>(
    distinct.map((address) => keys.recipient(tenantId, address)),
    options,
  );
  const standing = new Map<string, Recipient>();
  for (const [index, address] of distinct.entries()) {
    const item = items[index];
    if (item?.suppressedAt !== undefined) standing.set(address, item);
  }
  return standing;
}

/** The writes of a suppression. */
export interface SuppressionPlan {
  /** True when messages went to the person until now, by the number or, without one, by the LID. */
  isNew: boolean;
  /** False: the person is on the list under every address, and `writes` only check it. */
  isChange: boolean;
  /** Each has the condition that its item is as it was read. */
  writes: Write[];
}

/** Returns the writes that stop messages to a person under every address. They go into one transaction; when it is refused, plan again. */
export async function planSuppression(table: Table, suppression: Suppression): Promise<SuppressionPlan> {
  const [plan] = await planSuppressions(table, suppression.tenantId, [suppression]);
  if (plan === undefined) throw new Error('a suppression has a plan');
  return plan;
}

/** Returns a plan for each, in two reads for all of them. */
async function planSuppressions(
  table: Table,
  tenantId: string,
  suppressions: Suppression[],
): Promise<SuppressionPlan[]> {
  const standing = await readStanding(table, tenantId, suppressions.flatMap(addressesOf));
  const listings = suppressions.map((suppression) => listingOf(suppression, standing));
  const entries = await readEntries(table, tenantId, listings);
  return suppressions.map((suppression, index) => {
    const listing = listings[index];
    if (listing === undefined) return { isNew: true, isChange: true, writes: newWrites(suppression) };
    const isNew = !addressesOf(personAt(addressOf(suppression))).some((address) => standing.has(address));
    return { isNew, ...planExtension(tenantId, suppression, standing, listing, entries[index]) };
  });
}

/** Returns the first item that lists a person; undefined when no address of the person is listed. */
function listingOf(person: Person, standing: Standing): Recipient | undefined {
  for (const address of addressesOf(person)) {
    const recipient = standing.get(address);
    if (recipient !== undefined) return recipient;
  }
  return undefined;
}

async function readEntries(
  table: Table,
  tenantId: string,
  listings: (Recipient | undefined)[],
): Promise<(Suppression | undefined)[]> {
  const found = await table.getMany<Suppression & Key>(
    listings.flatMap((listing) => (listing === undefined ? [] : [listKey(tenantId, listing)])),
  );
  return listings.map((listing) => (listing === undefined ? undefined : found.shift()));
}

/** Returns the writes for a person who is not on the list. */
function newWrites(suppression: Suppression): Write[] {
  const { tenantId, phoneNumber, lid, at, source } = suppression;
  const recipient: Recipient = {
    ...(phoneNumber === undefined ? {} : { phoneNumber }),
    ...(lid === undefined ? {} : { lid }),
    suppressedAt: at,
    listedAs: addressOf(suppression),
    source,
  };
  const addresses = addressesOf(suppression);
  const entry: Suppression = { ...suppression, addresses };
  return [
    ...addresses.map((address) => recipientPut(tenantId, address, recipient)),
    { put: { ...listKey(tenantId, recipient), type: 'suppression', ...entry } },
  ];
}

/** Returns the writes that put a listed person's missing items, and name the new addresses in the entry. */
function planExtension(
  tenantId: string,
  whole: Person,
  standing: Standing,
  listing: Recipient,
  entry: Suppression | undefined,
): Omit<SuppressionPlan, 'isNew'> {
  const { phoneNumber, lid } = whole;
  const person = {
    ...(phoneNumber === undefined ? {} : { phoneNumber }),
    ...(lid === undefined ? {} : { lid }),
  };
  const addresses = addressesOf(whole);
  const checks = addresses.flatMap((address): Write[] => {
    const recipient = standing.get(address);
    return recipient === undefined ? [] : [asItWas({ check: keys.recipient(tenantId, address) }, recipient)];
  });
  const missing = addresses.filter((address) => !standing.has(address));
  if (missing.length === 0) return { isChange: false, writes: checks };
  const { suppressedAt, listedAs, source } = listing;
  const recipient: Recipient = { ...person, suppressedAt, listedAs, source };
  const known = entry === undefined ? [] : (entry.addresses ?? addressesOf(entry));
  const all = [...new Set([...known, ...addresses])];
  const key = listKey(tenantId, listing);
  const puts = missing.map((address) => recipientPut(tenantId, address, recipient));
  const entryWrite: Write =
    entry === undefined
      ? { put: { ...key, type: 'suppression', ...earlierEntry(tenantId, recipient), addresses: all } }
      : entryUpdate(key, person, all, entry);
  return { isChange: true, writes: [...checks, ...puts, entryWrite] };
}

/** Returns the update of a list entry: a number or LID that it lacked, and further addresses. */
function entryUpdate(key: Key, person: Person, addresses: string[], entry: Suppression): Write {
  const learnt = Object.fromEntries(Object.entries(person).map(([name, value]) => [name, unlessSet(value)]));
  return { key, ...patch({ addresses, ...learnt }), condition: entryAsRead(entry) };
}

/** Returns clauses that hold only while the entry has the addresses that were read. A release would leave the items of new ones otherwise. */
function entryAsRead({ addresses }: Suppression): Clauses {
  return addresses === undefined
    ? { isListed: present, hasNoAddresses: 'attribute_not_exists(addresses)' }
    : { hasAddressesRead: { is: 'addresses = :read', values: { ':read': addresses } } };
}

/**
 * Returns a list entry in place of one that is missing: an earlier version removed it, and left the item of an address that it did not know.
 */
function earlierEntry(tenantId: string, recipient: Recipient): Suppression {
  const { phoneNumber, lid, suppressedAt, source } = recipient;
  return {
    tenantId,
    ...(phoneNumber === undefined ? {} : { phoneNumber }),
    ...(lid === undefined ? {} : { lid }),
    reason: earlierReason(source),
    source,
    at: suppressedAt,
  };
}

function recipientPut(tenantId: string, address: string, recipient: Recipient): Write {
  return {
    put: { ...keys.recipient(tenantId, address), type: 'recipient', ...recipient },
    condition: { isNotSuppressed: 'attribute_not_exists(suppressedAt)' },
  };
}

/** Adds the clause that the item is as it was read. A release at the same moment makes the write fail. */
function asItWas<T extends { check: Key } | { delete: Key }>(write: T, { suppressedAt }: Recipient) {
  return { ...write, condition: { isAsRead: { is: 'suppressedAt = :at', values: { ':at': suppressedAt } } } };
}

const listKey = (tenantId: string, { suppressedAt, listedAs }: Recipient): Key =>
  keys.suppression(tenantId, suppressedAt, listedAs);

/**
 * Returns all items of a person by address, each with its entry. It also finds addresses that only an item or a list entry names.
 */
async function readWholePerson(
  table: Table,
  tenantId: string,
  person: Person,
): Promise<Map<string, { recipient: Recipient; entry: Suppression | undefined }>> {
  const whole = new Map<string, { recipient: Recipient; entry: Suppression | undefined }>();
  const asked = new Set<string>();
  for (let next = new Set(addressesOf(person)); next.size > 0; ) {
    for (const address of next) asked.add(address);
    const standing = await readStanding(table, tenantId, next);
    const recipients = [...standing.values()];
    const found = await readEntries(table, tenantId, recipients);
    for (const [index, [address, recipient]] of [...standing].entries())
      whole.set(address, { recipient, entry: found[index] });
    const entries = found.filter((entry) => entry !== undefined);
    const named = [...[...recipients, ...entries].flatMap(addressesOf), ...entries.flatMap((e) => e.addresses ?? [])];
    next = new Set(named.filter((address) => !asked.has(address)));
  }
  return whole;
}

/**
 * Returns the writes that allow messages to a person again, under every address; none when they were allowed. With `only`, suppressions of
 * other sources stay. `addresses`: all that are known of the person.
 */
export async function planRelease(
  table: Table,
  tenantId: string,
  person: Person,
  only?: SuppressionSource,
): Promise<{ writes: Write[]; addresses: string[] }> {
  const whole = await readWholePerson(table, tenantId, person);
  const writes = new Map<string, Write>();
  for (const [address, { recipient, entry }] of whole) {
    if (only !== undefined && recipient.source !== only) continue;
    const key = listKey(tenantId, recipient);
    writes.set(address, asItWas({ delete: keys.recipient(tenantId, address) }, recipient));
    if (entry === undefined) writes.set(key.sk, { check: key, condition: { isUnlisted: absent } });
    else writes.set(key.sk, { delete: key, condition: entryAsRead(entry) });
  }
  return { writes: [...writes.values()], addresses: [...new Set([...addressesOf(person), ...whole.keys()])] };
}

/** Stops messages to a person, with an entry in the audit log. `isNew` false: they had been stopped, and `suppression` is the one that stands. */
export async function addSuppression(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  suppression: Suppression,
): Promise<{ isNew: boolean; suppression: Suppression }> {
  const { tenantId, reason } = suppression;
  const target = addressOf(suppression);
  for (;;) {
    const { isNew, isChange, writes } = await planSuppression(deps.table, suppression);
    const entry = { action: 'suppression.created' as const, target, changes: { reason } };
    const audit = isNew ? [auditWrite(origin, entry, deps.randomBytes)] : [];
    if (isChange && !(await stood(deps.table, [...writes, ...audit]))) continue;
    return { isNew, suppression: (await readSuppression(deps.table, tenantId, suppression)) ?? suppression };
  }
}

/** Allows messages to a person again, under every address. Returns false when they were allowed. */
export async function removeSuppression(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  person: Person,
): Promise<boolean> {
  for (;;) {
    const { writes } = await planRelease(deps.table, origin.tenantId, person);
    if (writes.length === 0) return false;
    const audit = auditWrite(origin, { action: 'suppression.deleted', target: addressOf(person) }, deps.randomBytes);
    if (await stood(deps.table, [...writes, audit])) return true;
  }
}

/** Returns the list entry of a person, by any address; undefined when messages to the person are allowed. */
export async function readSuppression(
  table: Table,
  tenantId: string,
  person: Person,
): Promise<Suppression | undefined> {
  const standing = await readStanding(table, tenantId, addressesOf(person));
  const listing = listingOf(person, standing);
  if (listing === undefined) return undefined;
  return (await table.get<Suppression>(listKey(tenantId, listing))) ?? earlierEntry(tenantId, listing);
}

/** People of a transaction: an item for each of up to three addresses, and an entry; DynamoDB takes 100 writes. */
const peopleAtOnce = 25;

/** Stops messages to many people; those on the list stay as they are. Repeating it adds nothing. */
export async function importSuppressions(
  deps: Pick<Deps, 'table' | 'randomBytes'>,
  origin: Origin,
  wanted: Suppression[],
): Promise<{ added: number; existing: number }> {
  const parts: (typeof wanted)[] = [];
  for (let at = 0; at < wanted.length; at += peopleAtOnce) parts.push(wanted.slice(at, at + peopleAtOnce));
  let added = 0;
  await inParallel(8, parts, async (part) => {
    for (let open = part; open.length > 0; ) {
      const plans = await planSuppressions(deps.table, origin.tenantId, open);
      const writes: Write[] = [];
      const taken = new Set<string>();
      const later: Suppression[] = [];
      let anew = 0;
      for (const [index, { isNew, isChange, writes: own }] of plans.entries()) {
        if (!isChange) continue;
        // Two rows may be one person: a transaction takes an item once.
        if (own.some((write) => taken.has(targetOf(write)))) later.push(...open.slice(index, index + 1));
        else {
          for (const write of own) taken.add(targetOf(write));
          writes.push(...own);
          if (isNew) anew += 1;
        }
      }
      if (writes.length > 0 && !(await stood(deps.table, writes))) continue;
      added += anew;
      open = later;
    }
  });
  const changes = { added, existing: wanted.length - added };
  const entry = { action: 'suppressions.imported', target: origin.tenantId, changes };
  await deps.table.transact({ audit: auditWrite(origin, entry, deps.randomBytes) });
  return changes;
}

/** Returns one list page of a tenant's list, newest first; `before` is the `next` of the list page before. */
export async function listSuppressions(
  table: Table,
  tenantId: string,
  step: ListStep,
): Promise<{ items: Suppression[]; next?: string }> {
  const keyOf = (place: string): Key => suppressionAt(tenantId, place);
  const { items, last } = await newestFirst<Suppression & Key>(table, keyOf, step);
  return last === undefined ? { items } : { items, next: partsOf.suppression(last).place };
}

/** Returns false when another call changed one of the items in between, and nothing was written. */
async function stood(table: Table, writes: Write[]): Promise<boolean> {
  return (await table.tryTransact({ writes })) === undefined;
}

/**
 * Lists a person under all addresses who is listed under one. Call this when a number is found to be behind a LID. It also completes items of
 * versions that knew one spelling. Returns false when no address of the person is on the list.
 */
export async function extendSuppression(table: Table, tenantId: string, person: Person): Promise<boolean> {
  for (;;) {
    const standing = await readStanding(table, tenantId, addressesOf(person));
    const listing = listingOf(person, standing);
    if (listing === undefined) return false;
    const entry = await table.get<Suppression>(listKey(tenantId, listing));
    const { isChange, writes } = planExtension(tenantId, person, standing, listing, entry);
    if (!isChange || (await stood(table, writes))) return true;
  }
}
