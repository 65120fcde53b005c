import { priceOfCalls, type Units } from './prices.ts';

/** Calls of one kind by one process: `host` or a function. `ofAccounts` are those that name an account. */
export interface Entry extends Units {
  who: string;
  service: string;
  command: string;
  ofAccounts: number;
}

export type CallNote = Omit<Entry, 'calls' | 'ofAccounts'> & { ofAccount: boolean };

/** Sums of what was called, by who, service and command. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();

  note({ who, service, command, writeUnits, readUnits, ofAccount }: CallNote): void {
    const key = `${who} ${service} ${command}`;
    const entry = this.#entries.get(key) ?? {
      who,
      service,
      command,
      calls: 0,
      writeUnits: 0,
      readUnits: 0,
      ofAccounts: 0,
    };
    entry.calls += 1;
    entry.writeUnits += writeUnits;
    entry.readUnits += readUnits;
    entry.ofAccounts += ofAccount ? 1 : 0;
    this.#entries.set(key, entry);
  }

  /** As it is now; later calls do not change it. */
  snapshot(): Entry[] {
    return [...this.#entries.values()].map((entry) => ({ ...entry }));
  }
}

const fields = ['calls', 'writeUnits', 'readUnits', 'ofAccounts'] as const;
const isSame = (a: Entry, b: Entry): boolean => a.who === b.who && a.service === b.service && a.command === b.command;

/** `entries` without `factor` times `others`; what would fall below nothing is nothing. */
export function without(entries: Entry[], others: Entry[], factor = 1): Entry[] {
  return entries
    .map((entry) => {
      const other = others.find((one) => isSame(one, entry));
      const rest = { ...entry };
      if (other !== undefined)
        for (const field of fields) rest[field] = Math.max(0, entry[field] - other[field] * factor);
      return rest;
    })
    .filter(({ calls }) => calls > 0.5);
}

export const dollarsOf = (entries: Entry[]): number =>
  entries.reduce((sum, entry) => sum + priceOfCalls(entry.service, entry.command, entry), 0);
