import { NumberDoubts } from '../people/number-doubts.ts';
import { planNumber } from '../people/person.ts';
import type { NumberDoubt } from '../people/phone.ts';
import type { PageRow } from './contract.ts';

/** What is odd about the recipients of one request or file, summed up so that 100,000 of them make a few sentences. */
export class RecipientWarnings {
  readonly #unit: 'row' | 'line';
  readonly #seen: Set<string>;
  readonly #odd = new Map<string, { count: number; first: number }>();
  readonly #doubts: NumberDoubts;
  #repeated = 0;
  #invalid = 0;
  #optedOut = 0;

  /** `known`: numbers (digits) that the contract has already. */
  constructor(unit: 'row' | 'line', known: Iterable<string> = []) {
    this.#unit = unit;
    this.#seen = new Set([...known].map(planNumber));
    this.#doubts = new NumberDoubts(unit);
  }

  /** One accepted recipient, what its text is warned about, where it stands (row or line, counted from 1), and what is doubtful about its number. */
  add(row: PageRow, warnings: readonly string[], at: number, doubt?: NumberDoubt): void {
    for (const warning of warnings) {
      // Rows of a file come page by page, not always in their order.
      const { count, first } = this.#odd.get(warning) ?? { count: 0, first: at };
      this.#odd.set(warning, { count: count + 1, first: Math.min(first, at) });
    }
    if (row.skip !== undefined) {
      if (row.skip === 'INVALID_NUMBER') this.#invalid += 1;
      return;
    }
    if (doubt !== undefined) this.#doubts.add(doubt, at);
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
    return [
      ...(this.#invalid > 0 ? [`Invalid numbers: ${this.#invalid}. They are recorded as failed.`] : []),
      ...(this.#optedOut > 0
        ? [`Recipients who have opted out: ${this.#optedOut}. They are recorded as suppressed.`]
        : []),
      ...(this.#repeated > 0 ? [`Numbers that came before: ${this.#repeated}. Each is sent to again.`] : []),
      ...this.#doubts.sentences(),
      ...[...this.#odd].map(([text, { count, first }]) => `${text} Rows: ${count}, the first ${where} ${first}.`),
    ];
  }
}
