import type { PageRow } from './contract.ts';

/** What is odd about the recipients of one request or file, summed up so that 100,000 of them make a few sentences. */
export class RecipientWarnings {
  readonly #unit: 'row' | 'line';
  readonly #seen: Set<string>;
  readonly #odd = new Map<string, { count: number; first: number }>();
  #repeated = 0;
  #invalid = 0;
  #optedOut = 0;

  /** `known`: numbers (digits) that the contract has already. */
  constructor(unit: 'row' | 'line', known: Iterable<string> = []) {
    this.#unit = unit;
    this.#seen = new Set(known);
  }

  /** One accepted recipient, what its text is warned about, and where it stands: row or line, counted from 1. */
  add(row: PageRow, warnings: readonly string[], at: number): void {
    for (const warning of warnings) {
      const sum = this.#odd.get(warning) ?? { count: 0, first: at };
      this.#odd.set(warning, { ...sum, count: sum.count + 1 });
    }
    if (row.skip !== undefined) {
      if (row.skip === 'INVALID_NUMBER') this.#invalid += 1;
      return;
    }
    if (this.#seen.has(row.to)) this.#repeated += 1;
    else this.#seen.add(row.to);
  }

  /** So many of the accepted recipients have opted out. */
  optedOut(count: number): void {
    this.#optedOut += count;
  }

  sentences(): string[] {
    const where = this.#unit === 'row' ? 'is row' : 'is in line';
    return [
      ...(this.#invalid > 0 ? [`Invalid numbers: ${this.#invalid}. They are recorded as failed.`] : []),
      ...(this.#optedOut > 0
        ? [`Recipients who have opted out: ${this.#optedOut}. They are recorded as suppressed.`]
        : []),
      ...(this.#repeated > 0 ? [`Numbers that came before: ${this.#repeated}. Each is sent to again.`] : []),
      ...[...this.#odd].map(([text, { count, first }]) => `${text} Rows: ${count}, the first ${where} ${first}.`),
    ];
  }
}
