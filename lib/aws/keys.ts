import type { Lane } from '../domain/messages/message.ts';

/**
 * Every key of the one table, by item type (docs/data.md has the same list with the attributes). Access patterns:
 *
 *   api request        keyHash -> tenant                                   two reads by key
 *   new contract       tenantSecret                                        read by key
 *   account page       everything with pk accountPk: account, hot, running one query
 *   tenant's accounts  accountRef by tenant, newest first, then both items one query + batch reads
 *   tenant's contracts contract by tenant, newest first                    one query
 *   contract numbers   counters by contract                                one query
 *   pages              page lists by contract, in order                    one query
 *   rows of a contract message ids are derived from contract and row       batch reads, no index
 *   feed               running by account, contract and its counter,       one batch read beside
 *                      backlog by contract                                 queries within two partitions
 *   send               text + contract + recipient, then the claim         one batch read, one transaction
 *   host               own accounts and unowned ones                       finder: host#<id>, unowned
 *   host starts        clientVersion                                       read by key
 *   event log          events by tenant and day, newest first              one query a day, texts in one batch read
 *   import             the tenant's import lock                           one conditional write by key
 *   inbox              batches of inbound messages by account, newest first one query an account
 *   opt-out            recipients by number or LID, list by time           reads by key, one query
 *   known person       recipient and wrote of both readings of a number    one batch read
 *   endpoints          endpoint by tenant, newest first                    one query; name lock by key
 *   deliveries         delivery by endpoint and time                       reads by key, one query
 *   connect            what the last owner saw of the connection          connectionEvents by key
 *   sweep              running contracts, paused ones with messages under  finder: running, paused, start, job, import,
 *                      way, due starts, unfinished jobs, overdue imports,  deleted, inbox
 *                      deleted accounts, batches left open
 */
export interface Key {
  pk: string;
  sk: string;
}

const tenantPk = (tenantId: string): string => `T#${tenantId}`;
export const accountPk = (tenantId: string, accountId: string): string => `T#${tenantId}#A#${accountId}`;
export const endpointPk = (tenantId: string, endpointId: string): string => `T#${tenantId}#W#${endpointId}`;
export const contractPk = (tenantId: string, contractId: string): string => `T#${tenantId}#C#${contractId}`;

export const keys = {
  tenant: (t: string): Key => ({ pk: tenantPk(t), sk: 'T' }),
  tenantSecret: (t: string): Key => ({ pk: tenantPk(t), sk: 'SECRET' }),
  tenantRef: (t: string): Key => ({ pk: 'TENANTS', sk: t }),
  plan: (plan: string): Key => ({ pk: 'PLANS', sk: plan }),
  apiKey: (t: string, keyId: string): Key => ({ pk: tenantPk(t), sk: `K#${keyId}` }),
  keyHash: (hash: string): Key => ({ pk: `KEY#${hash}`, sk: 'KEY' }),
  /** `month` is yyyy-mm of the entry. */
  audit: (t: string, month: string, id: string): Key => ({ pk: `${tenantPk(t)}#AUD#${month}`, sk: id }),
  idempotency: (t: string, hash: string): Key => ({ pk: `${tenantPk(t)}#IDEM`, sk: hash }),
  account: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'A' }),
  accountHot: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'O' }),
  accountRef: (t: string, a: string): Key => ({ pk: tenantPk(t), sk: `A#${a}` }),
  deleted: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'DELETED' }),
  running: (t: string, a: string, c: string): Key => ({ pk: accountPk(t, a), sk: `RUN#${c}` }),
  paused: (t: string, a: string, c: string): Key => ({ pk: accountPk(t, a), sk: `PAUSED#${c}` }),
  contract: (t: string, c: string): Key => ({ pk: tenantPk(t), sk: `C#${c}` }),
  startAt: (t: string, c: string): Key => ({ pk: contractPk(t, c), sk: 'START' }),
  job: (t: string, c: string): Key => ({ pk: contractPk(t, c), sk: 'JOB' }),
  importDue: (t: string, c: string): Key => ({ pk: contractPk(t, c), sk: 'IMPORT' }),
  importLock: (t: string): Key => ({ pk: `${tenantPk(t)}#IMPORTS`, sk: 'TURN' }),
  /** Lists count from 0. */
  pageList: (t: string, c: string, n: number): Key => ({
    pk: contractPk(t, c),
    sk: `PAGES#${String(n).padStart(5, '0')}`,
  }),
  counter: (t: string, c: string, a: string): Key => ({ pk: contractPk(t, c), sk: `CNT#${a}` }),
  backlog: (t: string, c: string, notBefore: number, m: string): Key => ({
    pk: contractPk(t, c),
    sk: `DUE#${String(notBefore).padStart(15, '0')}#${m}`,
  }),
  message: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'M' }),
  text: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'X' }),
  /** `digits`: the number, or `lid:` and the LID. */
  recipient: (t: string, digits: string): Key => ({ pk: `${tenantPk(t)}#R#${digits}`, sk: 'R' }),
  /** In the partition of `recipient`: marks a person who has written to the tenant. */
  wrote: (t: string, digits: string): Key => ({ pk: `${tenantPk(t)}#R#${digits}`, sk: 'W' }),
  connectionEvents: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'EVENTS' }),
  inbound: (t: string, a: string, whatsappId: string): Key => ({ pk: accountPk(t, a), sk: `IN#${whatsappId}` }),
  inboundBatch: (t: string, a: string, id: string): Key => ({ pk: accountPk(t, a), sk: `INB#${id}` }),
  confirmation: (t: string, a: string, digits: string): Key => ({ pk: accountPk(t, a), sk: `CONFIRM#${digits}` }),
  /** `person` is digits, or `lid:` and digits; newest last. */
  suppression: (t: string, atMs: number, person: string): Key =>
    suppressionAt(t, `${String(atMs).padStart(13, '0')}#${person}`),
  endpoint: (t: string, w: string): Key => ({ pk: tenantPk(t), sk: `W#${w}` }),
  /** Lets only one endpoint have a name. */
  endpointName: (t: string, name: string): Key => ({ pk: tenantPk(t), sk: `WN#${name}` }),
  endpointHealth: (t: string, w: string): Key => ({ pk: endpointPk(t, w), sk: 'H' }),
  /** `at` is the time in the id. */
  delivery: (t: string, w: string, at: number, id: string): Key => ({
    pk: endpointPk(t, w),
    sk: `D#${String(at).padStart(13, '0')}#${id}`,
  }),
  /** The place of a delivery in the sequence of its chat: by time, then by rank within the millisecond. Stored as `deliveryLine`. */
  deliverySequence: (t: string, w: string, chat: string, place: { at: number; rank: number; id: string }): Key => ({
    pk: endpointPk(t, w),
    sk: `L#${chat}#${String(place.at).padStart(13, '0')}#${String(place.rank).padStart(2, '0')}#${place.id}`,
  }),
  /** `atMs` also gives the UTC day of the partition. An empty id sorts before all events of its millisecond. */
  event: (t: string, atMs: number, id: string): Key => ({
    pk: `${tenantPk(t)}#EV#${new Date(atMs).toISOString().slice(0, 10)}`,
    sk: `${String(atMs).padStart(13, '0')}#${id}`,
  }),
  host: (hostId: string): Key => ({ pk: 'HOSTS', sk: hostId }),
  clientVersion: (): Key => ({ pk: 'CLIENT', sk: 'VERSION' }),
};

/** Returns the key of a suppression. `place` is its time and person, as `partsOf.suppression` returns it. */
export const suppressionAt = (t: string, place: string): Key => ({ pk: tenantPk(t), sk: `S#${place}` });

/** Ranges of keys that one query reads. */
export const ranges = {
  apiKeys: (t: string) => ({ pk: tenantPk(t), skPrefix: 'K#' }),
  accountRefs: (t: string) => ({ pk: tenantPk(t), skPrefix: 'A#' }),
  contracts: (t: string) => ({ pk: tenantPk(t), skPrefix: 'C#' }),
  endpoints: (t: string) => ({ pk: tenantPk(t), skPrefix: 'W#' }),
  /** Every item of an account: the account itself, running contracts, inbound messages .. */
  account: (t: string, a: string) => ({ pk: accountPk(t, a) }),
  running: (t: string, a: string) => ({ pk: accountPk(t, a), skPrefix: 'RUN#' }),
  confirmations: (t: string, a: string) => ({ pk: accountPk(t, a), skPrefix: 'CONFIRM#' }),
  /** The items about a contract: counters, backlog, job .. */
  contract: (t: string, c: string) => ({ pk: contractPk(t, c) }),
  /** Waiting messages, earliest `notBefore` first. With `untilMs` only those that may go by then, inclusive. */
  backlog: (t: string, c: string, untilMs?: number): { pk: string; skBetween: [string, string] } => ({
    pk: contractPk(t, c),
    skBetween: ['DUE#', untilMs === undefined ? 'DUE#~' : keys.backlog(t, c, untilMs, '~').sk],
  }),
  /** The first `lists` page lists, in order. */
  pageLists: (t: string, c: string, lists: number): { pk: string; skBetween: [string, string] } => ({
    pk: contractPk(t, c),
    skBetween: [keys.pageList(t, c, 0).sk, keys.pageList(t, c, lists - 1).sk],
  }),
  deliveries: (t: string, w: string) => ({ pk: endpointPk(t, w), skPrefix: 'D#' }),
  /** Deliveries of `[fromMs, untilMs)`, both within 0 and 9,999,999,999,999. */
  deliveriesBetween: (t: string, w: string, fromMs: number, untilMs: number) => {
    // A bound has no `#` after the time, so that it sorts before every delivery of its millisecond.
    const bound = (ms: number): string => `D#${String(ms).padStart(13, '0')}`;
    return { pk: endpointPk(t, w), skBetween: [bound(fromMs), bound(untilMs)] as [string, string] };
  },
  deliverySequence: (t: string, w: string, chat: string) => ({ pk: endpointPk(t, w), skPrefix: `L#${chat}#` }),
};

/** Returns the parts of a key, the reverse of `keys`. Only for parts that no attribute of the item holds. */
export const partsOf = {
  accountRef: ({ sk }: Pick<Key, 'sk'>) => ({ accountId: behind('A#', sk) }),
  running: ({ sk }: Pick<Key, 'sk'>) => ({ contractId: behind('RUN#', sk) }),
  /** `notBefore`: epoch ms. */
  backlog: ({ sk }: Pick<Key, 'sk'>) => {
    const [notBefore = '', messageId = ''] = split(behind('DUE#', sk));
    return { notBefore: Number(notBefore), messageId };
  },
  suppression: ({ sk }: Pick<Key, 'sk'>) => ({ place: behind('S#', sk) }),
};

function behind(prefix: string, sk: string): string {
  return sk.slice(prefix.length);
}

const join = (...parts: (string | number)[]): string => parts.join('#');
const split = (value: string): string[] => value.split('#');

/** Values of the sparse index `finder` (KEYS_ONLY): partition `ix`, sort `ixs`. */
export const finder = {
  index: 'finder',
  unowned: 'unowned',
  running: 'running',
  paused: 'paused',
  start: 'start',
  job: 'job',
  import: 'import',
  deleted: 'deleted',
  inbox: 'inbox',
  /** Deliveries whose next attempt is further away than a queue can delay, in eight parts so that none gets hot. */
  deliveries: Array.from({ length: 8 }, (_, part) => `delivery#${part}`),
  ownedBy: (hostId: string): string => `host#${hostId}`,
};

/** Makes and reads the sort values `ixs` of the index. Values with a time sort by it. `read` returns undefined for a value of another form. */
export const places = {
  /** For `unowned`, `ownedBy` and `deleted`. */
  account: {
    of: (t: string, a: string): string => join(t, a),
    read(ixs: string): { tenantId: string; accountId: string } | undefined {
      const [tenantId, accountId] = split(ixs);
      return tenantId === undefined || accountId === undefined ? undefined : { tenantId, accountId };
    },
  },
  /** For `running`, `paused` and `job`. */
  contract: {
    of: (t: string, a: string, c: string): string => join(t, a, c),
    read(ixs: string): { tenantId: string; accountId: string; contractId: string } | undefined {
      const [tenantId, accountId, contractId] = split(ixs);
      if (tenantId === undefined || accountId === undefined || contractId === undefined) return undefined;
      return { tenantId, accountId, contractId };
    },
  },
  /** For `start` and `import`. */
  dueContract: {
    of: (dueMs: number, t: string, c: string): string => join(timeOf(dueMs), t, c),
    read(ixs: string): { tenantId: string; contractId: string } | undefined {
      const [, tenantId, contractId] = split(ixs);
      return tenantId === undefined || contractId === undefined ? undefined : { tenantId, contractId };
    },
  },
  /** For `inbox`. */
  inboundBatch: {
    of: (dueMs: number, t: string, a: string, id: string): string => join(timeOf(dueMs), t, a, id),
    read(ixs: string): { tenantId: string; accountId: string; id: string } | undefined {
      const [, tenantId, accountId, id] = split(ixs);
      if (tenantId === undefined || accountId === undefined || id === undefined) return undefined;
      return { tenantId, accountId, id };
    },
  },
  /** For `deliveries`. `at` is the time in the id, epoch ms. */
  delivery: {
    of: (dueMs: number, t: string, w: string, at: number, id: string): string => join(timeOf(dueMs), t, w, at, id),
    read(ixs: string): { tenantId: string; endpointId: string; at: number; id: string; due: number } | undefined {
      const [due, tenantId, endpointId, at, id] = split(ixs);
      if (due === undefined || tenantId === undefined || endpointId === undefined || id === undefined) return undefined;
      return { tenantId, endpointId, at: Number(at), id, due: Date.parse(due) };
    },
  },
  /** Returns the range of the values with a time before `ms`. */
  before: (ms: number): [string, string] => ['0', timeOf(ms)],
  /** Returns the range of the values with a time of `ms` or before. */
  until: (ms: number): [string, string] => ['0', join(timeOf(ms), '~')],
};

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** The place of an event in the log, as messages of the delivery queue carry it. */
export const eventPlace = {
  of: ({ at, id }: { at: number; id: string }): string => join(at, id),
  read(place: string): { at: number; id: string } | undefined {
    const [at, id] = split(place);
    return at === undefined || id === undefined ? undefined : { at: Number(at), id };
  },
};

export const queuedAttribute: Record<Lane, 'queuedExpress' | 'queuedBulk'> = {
  express: 'queuedExpress',
  bulk: 'queuedBulk',
};
