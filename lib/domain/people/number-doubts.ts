import type { NumberDoubt } from './phone.ts';

/** Most countries that a sentence lists. It counts the others together. */
const maxCountries = 20;

/** Counts the numbers in doubt of one request or file, by country. Makes one sentence for each of `AMBIGUOUS_NUMBER` and `FOREIGN_NUMBER`. */
export class NumberDoubts {
  readonly #unit: 'row' | 'line';
  readonly #found = new Map<NumberDoubt['code'], { count: number; first: number; countries: Map<string, number> }>();

  constructor(unit: 'row' | 'line') {
    this.#unit = unit;
  }

  /** Adds one number. `at` is its row or line, counted from 1. The order of calls does not matter. */
  add({ code, country }: NumberDoubt, at: number): void {
    const { count, first, countries } = this.#found.get(code) ?? { count: 0, first: at, countries: new Map() };
    countries.set(country, (countries.get(country) ?? 0) + 1);
    this.#found.set(code, { count: count + 1, first: Math.min(first, at), countries });
  }

  sentences(): string[] {
    const warnings: string[] = [];
    const where = this.#unit === 'row' ? 'is row' : 'is in line';
    const ambiguous = this.#found.get('AMBIGUOUS_NUMBER');
    if (ambiguous !== undefined) {
      warnings.push(
        'AMBIGUOUS_NUMBER: numbers without + that can be national or foreign are read as national. ' +
          `The foreign readings: ${listed(ambiguous.countries)}. Write + and the country code. ` +
          `Rows: ${ambiguous.count}, the first ${where} ${ambiguous.first}.`,
      );
    }
    const foreign = this.#found.get('FOREIGN_NUMBER');
    if (foreign !== undefined) {
      warnings.push(
        `FOREIGN_NUMBER: numbers without + are read as international: ${listed(foreign.countries)}. ` +
          `Write + and the country code to be sure. Rows: ${foreign.count}, the first ${where} ${foreign.first}.`,
      );
    }
    return warnings;
  }
}

/** Returns `PE 2, US 1`: the most frequent country first. */
function listed(countries: Map<string, number>): string {
  const sorted = [...countries].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const others = sorted.slice(maxCountries).reduce((sum, [, count]) => sum + count, 0);
  const named = sorted.slice(0, maxCountries).map(([country, count]) => `${country} ${count}`);
  return [...named, ...(others > 0 ? [`others ${others}`] : [])].join(', ');
}
