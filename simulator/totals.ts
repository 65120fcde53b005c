import type { Storage } from './storage.ts';

/** Counts taken at the phones. `distinct` counts pairs of recipient and id; `received` is distinct plus repeatsOnWire. */
export type Totals = {
  received: number;
  distinct: number;
  repeatsOnWire: number;
  /** Messages dropped because their counter had been used. */
  usedCounters: number;
  /** Messages of which no copy, first or repeated, could be decrypted. */
  undecryptable: number;
  /** Accounts logged in now. */
  connections: number;
};

type Counters = Omit<Totals, 'received' | 'connections'>;

/** The counters, kept in the store. */
export class Counts {
  readonly #storage: Storage;
  readonly #counters: Counters = { distinct: 0, repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 };

  constructor(storage: Storage) {
    this.#storage = storage;
    const row = storage.get('SELECT value FROM facts WHERE name = ?', 'counters');
    if (row) Object.assign(this.#counters, JSON.parse(String(row.value)));
  }

  /** Adds to one counter. */
  add(counter: keyof Counters, amount = 1): void {
    this.#counters[counter] += amount;
    this.#storage.changeLate('counters', () =>
      this.#storage.change(
        'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        'counters',
        JSON.stringify(this.#counters),
      ),
    );
  }

  /** Returns the totals. `connections` is the number of accounts that are logged in now. */
  totals(connections: number): Totals {
    const { distinct, repeatsOnWire, usedCounters, undecryptable } = this.#counters;
    return { received: distinct + repeatsOnWire, distinct, repeatsOnWire, usedCounters, undecryptable, connections };
  }
}
