import { primaryOf, readAccount } from '../aws/accounts/accounts.ts';
import type { Deps } from '../aws/deps.ts';
import type { Account } from '../domain/accounts/account.ts';
import { PacelineError } from '../domain/errors.ts';

/**
 * Returns the account that sends: the one that is named, else the tenant's primary account. Undefined when there is no account of that name. Throws
 * NO_ACCOUNT when none is named and none is linked. Throws PRIMARY_RESTRICTED when WhatsApp has restricted or banned the primary account: nothing
 * moves its messages to another number unless the caller names that one.
 */
export async function sendingAccount(
  { table, nowMs }: Pick<Deps, 'table' | 'nowMs'>,
  tenantId: string,
  accountId: string | undefined,
): Promise<Account | undefined> {
  if (accountId !== undefined) return (await readAccount(table, tenantId, accountId))?.account;
  const primary = await primaryOf(table, tenantId, { strongly: true });
  if (primary === undefined) {
    throw new PacelineError(
      'NO_ACCOUNT',
      'No account is linked: create one with POST /v1/accounts and link it, or name one with accountId.',
    );
  }
  const { id, status, restrictedUntil = 0 } = primary;
  const why = status === 'banned' ? 'banned' : nowMs() < restrictedUntil ? 'restricted' : undefined;
  if (why !== undefined) {
    throw new PacelineError(
      'PRIMARY_RESTRICTED',
      `WhatsApp has ${why} the primary account ${id}. Name another one with accountId, or give another one a lower priority number.`,
    );
  }
  return primary;
}
