import type { PageRow } from './contract.ts';
import { planNumber } from './person.ts';
import type { NumberDoubt } from './phone.ts';

/** Countries that a warning lists; the rest is one number. */
const maxCountries = 20;

interface Sum {
  count: number;
  first: number;
}

/** What is odd about the recipients of one request or file, summed up so that 100,000 of them make a few sentences. */
export class RecipientWarnings {
  readonly #unit: 'row' | 'line';
  readonly #seen: Set<string>;
  readonly #odd = new Map<string, Sum>();
  readonly #doubts = new Map<NumberDoubt['code'], Sum & { countries: Map<string, number> }>();
  #repeated = 0;
  #invalid = 0;
  #optedOut = 0;

  /** `known`: numbers (digits) that the contract has already. */
  constructor(unit: 'row' | 'line', known: Iterable<string> = []) {
    this.#unit = unit;
    this.#seen = new Set([...known].map(planNumber));
  }

  /** One accepted recipient, what its text is warned about, where it stands (row or line, counted from 1), and what is doubtful about its number. */
  add(row: PageRow, warnings: readonly string[], at: number, doubt?: NumberDoubt): void {
    for (const warning of warnings) this.#odd.set(warning, grown(this.#odd.get(warning), at));
    if (row.skip !== undefined) {
      if (row.skip === 'INVALID_NUMBER') this.#invalid += 1;
      return;
    }
    if (doubt !== undefined) {
      const sum = this.#doubts.get(doubt.code);
      const countries = sum?.countries ?? new Map<string, number>();
      countries.set(doubt.country, (countries.get(doubt.country) ?? 0) + 1);
      this.#doubts.set(doubt.code, { ...grown(sum, at), countries });
    }
    const person = planNumber(row.to);
    if (this.#seen.has(person)) this.#repeated += 1;
    else this.#seen.add(person);
  }

  /** So many of the accepted recipients have opted out. */
  optedOut(count: number): void {
    this.#optedOut += count;
  }

  sentences(): string[] {
    const where = this.#unit === 'row' ? 'is row' : 'is in line';
    const rows = ({ count, first }: Sum) => `Rows: ${count}, the first ${where} ${first}.`;
    const ambiguous = this.#doubts.get('AMBIGUOUS_NUMBER');
    const foreign = this.#doubts.get('FOREIGN_NUMBER');
    return [
      ...(this.#invalid > 0 ? [`Invalid numbers: ${this.#invalid}. They are recorded as failed.`] : []),
      ...(this.#optedOut > 0
        ? [`Recipients who have opted out: ${this.#optedOut}. They are recorded as suppressed.`]
        : []),
      ...(this.#repeated > 0 ? [`Numbers that came before: ${this.#repeated}. Each is sent to again.`] : []),
      ...(ambiguous === undefined
        ? []
        : [
            'AMBIGUOUS_NUMBER: numbers without + that can be national or foreign are read as national. ' +
              `The foreign readings: ${listed(ambiguous.countries)}. Write + and the country code. ${rows(ambiguous)}`,
          ]),
      ...(foreign === undefined
        ? []
        : [
            `FOREIGN_NUMBER: numbers without + are read as international: ${listed(foreign.countries)}. ` +
              `Write + and the country code to be sure. ${rows(foreign)}`,
          ]),
      ...[...this.#odd].map(([text, sum]) => `${text} ${rows(sum)}`),
    ];
  }
}

/** Rows of a file come page by page, not always in their order. */
function grown(sum: Sum | undefined, at: number): Sum {
  return sum === undefined ? { count: 1, first: at } : { count: sum.count + 1, first: Math.min(sum.first, at) };
}

/** `PE 2, US 1`: the most frequent first. */
function listed(countries: Map<string, number>): string {
  const sorted = [...countries].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const others = sorted.slice(maxCountries).reduce((sum, [, count]) => sum + count, 0);
  const named = sorted.slice(0, maxCountries).map(([country, count]) => `${country} ${count}`);
  return [...named, ...(others > 0 ? [`others ${others}`] : [])].join(', ');
}
