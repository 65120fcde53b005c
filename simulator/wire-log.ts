/**
 * A message stanza as an account sent it. A repeat is another stanza; a refused message is one too. `copies` are the addresses of the devices that it
 * is encrypted for.
 */
export type SentStanza = {
  readonly id: string;
  readonly to: string;
  readonly copies: readonly string[];
  readonly atMs: number;
};

/** An account's last stanzas, oldest first, and the number of earlier ones that were forgotten. */
export type AccountWire = { readonly stanzas: SentStanza[]; forgotten: number };

/** Stanzas kept for each account: enough for a test, and few enough for a benchmark with thousands of accounts. */
const MOST_STANZAS = 2_000;

/** The times at which accounts sent messages, for checks of pacing. It includes repeats, which phones do not show. It is not stored. */
export class WireLog {
  readonly #byNumber = new Map<string, AccountWire>();

  /** Adds one stanza. Its `to` is the number that it names or the number of its hidden address; otherwise the address. */
  note(number: string, stanza: SentStanza): void {
    const log = this.of(number);
    this.#byNumber.set(number, log);
    log.stanzas.push(stanza);
    if (log.stanzas.length <= MOST_STANZAS) return;
    log.stanzas.shift();
    log.forgotten += 1;
  }

  /** Returns the stanzas that an account has sent; none of an unknown account. */
  of(number: string): AccountWire {
    return this.#byNumber.get(number) ?? { stanzas: [], forgotten: 0 };
  }
}
