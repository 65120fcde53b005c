import type { Table } from '../../../lib/aws/client/table.ts';
import { decideNumbers } from '../../../lib/aws/people/known-people.ts';
import type { Tenant } from '../../../lib/aws/tenants/tenants.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import type { Person } from '../../../lib/domain/people/person.ts';
import {
  addressesMeant,
  decideNumber,
  doubtWarning,
  type NumberReading,
  readAddress,
  readNumber,
} from '../../../lib/domain/people/phone.ts';
import { invalid } from './field-errors.ts';

const noNumber = (path: string, message: string) => invalid([{ path, code: 'INVALID_NUMBER', message }]);

/** Returns every address that a filter can mean. Throws VALIDATION. */
export function filterAddresses(text: string, { defaultCountry }: Tenant, path: string): ReadonlySet<string> {
  const meant = addressesMeant(text, { defaultCountry });
  if (!meant.ok) throw noNumber(path, meant.reason);
  return new Set(meant.addresses);
}

/** Reads the number of an account. Of two possible readings it takes the account's own number, if one is. Throws VALIDATION. */
export function accountNumber(
  text: string,
  { defaultCountry }: Tenant,
  path: string,
  account?: Pick<Account, 'phoneNumber' | 'linkedNumber'>,
): NumberReading {
  const number = readNumber(text, { defaultCountry });
  if (!number.ok) throw noNumber(path, number.reason);
  return decideNumber(
    number,
    new Set([account?.phoneNumber, account?.linkedNumber].filter((own) => own !== undefined)),
  );
}

/** Returns the person whom a call names by number or LID, and warnings about a number in doubt. Throws VALIDATION. */
export async function personNamed(
  table: Table,
  text: string,
  { id, defaultCountry }: Tenant,
  path: string,
): Promise<{ person: Person; warnings: string[] }> {
  const address = readAddress(text, { defaultCountry });
  if (!address.ok) throw noNumber(path, address.reason);
  if ('lid' in address) return { person: { lid: address.lid }, warnings: [] };
  const [number = address] = await decideNumbers(table, id, [address]);
  return { person: { phoneNumber: number.digits }, warnings: doubtWarnings(number) };
}

/** Returns the warnings about a number for an answer; none when the number is certain. */
export function doubtWarnings({ doubt }: NumberReading): string[] {
  return doubt === undefined ? [] : [doubtWarning(doubt)];
}
