import type { Lane } from '../domain/messages/message.ts';

/**
 * Every key of the one table, by item type (docs/architecture.md has the same list with the attributes). Access patterns:
 *
 *   api request        keyHash -> tenant                                   two reads by key
 *   new contract       tenantSecret                                        read by key
 *   account page       everything with pk accountPk: account, hot, running one query
 *   tenant's accounts  accountRef by tenant, newest first, then both items one query + batch reads
 *   tenant's contracts contract by tenant, newest first                    one query
 *   contract numbers   counters by contract                                one query
 *   rows of a contract message ids are derived from contract and row       batch reads, no index
 *   feed               running by account, contract, backlog by contract   queries within two partitions
 *   send               text + contract + recipient, then the claim         one batch read, one transaction
 *   host               own accounts and unowned ones                       finder: host#<id>, unowned
 *   host starts        clientVersion                                       read by key
 *   event log          events by tenant and day, newest first              one query a day, texts in one batch read
 *   import             the tenant's turn                                  one conditional write by key
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
  importTurn: (t: string): Key => ({ pk: `${tenantPk(t)}#IMPORTS`, sk: 'TURN' }),
  counter: (t: string, c: string, a: string): Key => ({ pk: contractPk(t, c), sk: `CNT#${a}` }),
  backlog: (t: string, c: string, notBefore: number, m: string): Key => ({
    pk: contractPk(t, c),
    sk: `DUE#${String(notBefore).padStart(15, '0')}#${m}`,
  }),
  message: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'M' }),
  text: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'X' }),
  /** `digits`: the number, or `lid:` and the LID. */
  recipient: (t: string, digits: string): Key => ({ pk: `${tenantPk(t)}#R#${digits}`, sk: 'R' }),
  /** Beside `recipient`: a person who wrote to the tenant. */
  wrote: (t: string, digits: string): Key => ({ pk: `${tenantPk(t)}#R#${digits}`, sk: 'W' }),
  connectionEvents: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'EVENTS' }),
  inbound: (t: string, a: string, whatsappId: string): Key => ({ pk: accountPk(t, a), sk: `IN#${whatsappId}` }),
  inboundBatch: (t: string, a: string, id: string): Key => ({ pk: accountPk(t, a), sk: `INB#${id}` }),
  confirmation: (t: string, a: string, digits: string): Key => ({ pk: accountPk(t, a), sk: `CONFIRM#${digits}` }),
  /** `person` is digits, or `lid:` and digits; newest last. */
  suppression: (t: string, atMs: number, person: string): Key => ({
    pk: tenantPk(t),
    sk: `S#${String(atMs).padStart(13, '0')}#${person}`,
  }),
  endpoint: (t: string, w: string): Key => ({ pk: tenantPk(t), sk: `W#${w}` }),
  /** Keeps a name to one endpoint. */
  endpointName: (t: string, name: string): Key => ({ pk: tenantPk(t), sk: `WN#${name}` }),
  endpointHealth: (t: string, w: string): Key => ({ pk: endpointPk(t, w), sk: 'H' }),
  /** `at` is the time in the id. */
  delivery: (t: string, w: string, at: number, id: string): Key => ({
    pk: endpointPk(t, w),
    sk: `D#${String(at).padStart(13, '0')}#${id}`,
  }),
  /** A delivery's place in the line of its chat: by time, then by rank within the millisecond. */
  deliveryLine: (t: string, w: string, line: string, place: { at: number; rank: number; id: string }): Key => ({
    pk: endpointPk(t, w),
    sk: `L#${line}#${String(place.at).padStart(13, '0')}#${String(place.rank).padStart(2, '0')}#${place.id}`,
  }),
  /** `atMs` names the day (UTC) too; an empty id is below all of its millisecond. */
  event: (t: string, atMs: number, id: string): Key => ({
    pk: `${tenantPk(t)}#EV#${new Date(atMs).toISOString().slice(0, 10)}`,
    sk: `${String(atMs).padStart(13, '0')}#${id}`,
  }),
  host: (hostId: string): Key => ({ pk: 'HOSTS', sk: hostId }),
  clientVersion: (): Key => ({ pk: 'CLIENT', sk: 'VERSION' }),
};

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

export const queuedAttribute: Record<Lane, 'queuedExpress' | 'queuedBulk'> = {
  express: 'queuedExpress',
  bulk: 'queuedBulk',
};
