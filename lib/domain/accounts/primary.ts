import type { Account } from './account.ts';

type Candidate = Pick<Account, 'id' | 'priority' | 'linkedAt' | 'desired' | 'deletedAt'>;

/** Returns whether the account is one of those among which the primary account is chosen: linked and wanted connected, whatever its state. Pure. */
export function canBePrimary({ linkedAt, desired, deletedAt }: Candidate): boolean {
  return linkedAt !== undefined && desired === 'connected' && deletedAt === undefined;
}

/**
 * Returns the primary account, to which sends go that name no account: the one with the lowest priority number, of two equal ones the older.
 * Undefined when none can be it. Ids of accounts sort by their age. Pure.
 */
export function primaryAmong<T extends Candidate>(accounts: readonly T[]): T | undefined {
  const [first] = accounts
    .filter(canBePrimary)
    .toSorted((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return first;
}
