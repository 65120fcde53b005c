import { NumberDoubts } from '../domain/people/number-doubts.ts';
import { planNumber } from '../domain/people/person.ts';
import type { CheckedRow } from './rows.ts';

/** Collects oddities of the accepted rows of one request or file. Even 100,000 rows make only a few sentences. */
export class RecipientWarnings {
  readonly #unit: 'row' | 'line';
  readonly #seen: Set<string>;
  readonly #odd = new Map<string, { count: number; first: number }>();
  readonly #doubts: NumberDoubts;
  #repeated = 0;
  #invalid = 0;
  #optedOut = 0;

  /** `unit`: whether `place` of a row counts rows or lines. `known`: numbers (digits) that the contract already has. */
  constructor(unit: 'row' | 'line', known: Iterable<string> = []) {
    this.#unit = unit;
    this.#seen = new Set([...known].map(planNumber));
    this.#doubts = new NumberDoubts(unit);
  }

  /** Adds one accepted row. The order of calls does not matter. */
  add({ row, warnings, place, number }: CheckedRow): void {
    for (const warning of warnings) {
      const { count, first } = this.#odd.get(warning) ?? { count: 0, first: place };
      this.#odd.set(warning, { count: count + 1, first: Math.min(first, place) });
    }
    if (row.skip !== undefined) {
      if (row.skip === 'INVALID_NUMBER') this.#invalid += 1;
      return;
    }
    if (number?.doubt !== undefined) this.#doubts.add(number.doubt, place);
    const person = planNumber(row.to);
    if (this.#seen.has(person)) this.#repeated += 1;
    else this.#seen.add(person);
  }

  /** Counts `count` of the added rows as rows to people who opted out. */
  optedOut(count: number): void {
    this.#optedOut += count;
  }

  /** Returns one sentence for each kind of oddity. */
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
