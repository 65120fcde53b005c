import type { Lane } from '../domain/message.ts';

/**
 * Every key of the one table, by item type (docs/architecture.md has the same list with the attributes). Access patterns:
 *
 *   api request        keyHash -> tenant                                   two reads by key
 *   account page       everything with pk accountPk: account, hot, running one query
 *   tenant's accounts  accountRef by tenant, newest first, then both items one query + batch reads
 *   tenant's contracts contract by tenant, newest first                    one query
 *   contract numbers   counters by contract                                one query
 *   rows of a contract message ids are derived from contract and row       batch reads, no index
 *   feed               running by account, contract, backlog by contract   queries within two partitions
 *   send               text + contract + recipient, then the claim         one batch read, one transaction
 *   host               own accounts and unowned ones                       finder: host#<id>, unowned
 *   connect            what the last owner saw of the connection          connectionEvents by key
 *   sweep              running contracts, paused ones with messages under  finder: running, paused, start, job, import,
 *                      way, due starts, unfinished jobs, overdue imports,  deleted
 *                      deleted accounts
 */
export interface Key {
  pk: string;
  sk: string;
}

const tenantPk = (tenantId: string): string => `T#${tenantId}`;
export const accountPk = (tenantId: string, accountId: string): string => `T#${tenantId}#A#${accountId}`;
export const contractPk = (tenantId: string, contractId: string): string => `T#${tenantId}#C#${contractId}`;

export const keys = {
  tenant: (t: string): Key => ({ pk: tenantPk(t), sk: 'T' }),
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
  counter: (t: string, c: string, a: string): Key => ({ pk: contractPk(t, c), sk: `CNT#${a}` }),
  backlog: (t: string, c: string, notBefore: number, m: string): Key => ({
    pk: contractPk(t, c),
    sk: `DUE#${String(notBefore).padStart(15, '0')}#${m}`,
  }),
  message: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'M' }),
  text: (t: string, m: string): Key => ({ pk: `${tenantPk(t)}#M#${m}`, sk: 'X' }),
  recipient: (t: string, digits: string): Key => ({ pk: `${tenantPk(t)}#R#${digits}`, sk: 'R' }),
  connectionEvents: (t: string, a: string): Key => ({ pk: accountPk(t, a), sk: 'EVENTS' }),
  inbound: (t: string, a: string, whatsappId: string): Key => ({ pk: accountPk(t, a), sk: `IN#${whatsappId}` }),
  host: (hostId: string): Key => ({ pk: 'HOSTS', sk: hostId }),
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
  ownedBy: (hostId: string): string => `host#${hostId}`,
};

export const queuedAttribute: Record<Lane, 'queuedExpress' | 'queuedBulk'> = {
  express: 'queuedExpress',
  bulk: 'queuedBulk',
};
