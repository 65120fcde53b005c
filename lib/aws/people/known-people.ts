import { spellingsOf } from '../../domain/people/person.ts';
import { decideNumber, type NumberReading } from '../../domain/people/phone.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';

/**
 * Chooses between the two readings of a number by the people whom the tenant knows. The tenant knows a person who has opted out, or has
 * written within 15 days. Returns the numbers in the order of `readings`. Reads are eventually consistent, 100 keys each. There are none when
 * every number has one reading.
 */
export async function decideNumbers(
  table: Table,
  tenantId: string,
  readings: readonly NumberReading[],
): Promise<NumberReading[]> {
  const asked = new Set(
    readings.flatMap(({ digits, foreign }) =>
      foreign === undefined ? [] : [...spellingsOf(digits), ...spellingsOf(foreign)],
    ),
  );
  if (asked.size === 0) return [...readings];
  const known = await knownAmong(table, tenantId, [...asked]);
  return readings.map((reading) => decideNumber(reading, known));
}

async function knownAmong(table: Table, tenantId: string, numbers: string[]): Promise<Set<string>> {
  const items = await table.getMany<{ suppressedAt?: number; wroteAt?: number }>(
    numbers.flatMap((digits) => [keys.recipient(tenantId, digits), keys.wrote(tenantId, digits)]),
    { eventually: true },
  );
  return new Set(
    numbers.filter(
      (_, index) => items[2 * index]?.suppressedAt !== undefined || items[2 * index + 1]?.wroteAt !== undefined,
    ),
  );
}
