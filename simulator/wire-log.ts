/**
 * A message stanza as it came from an account, whatever became of it: a repeat is another one, and so is one that is refused. `copies` are the
 * addresses of the devices that it is encrypted for.
 */
export type SentStanza = {
  readonly id: string;
  readonly to: string;
  readonly copies: readonly string[];
  readonly atMs: number;
};

/** An account's last stanzas, oldest first, and how many earlier ones are forgotten. */
export type AccountWire = { readonly stanzas: SentStanza[]; forgotten: number };

/** Stanzas kept for each account: enough for a test, and few enough for a benchmark with thousands of accounts. */
const MOST_STANZAS = 2_000;

/** When accounts put messages on the wire, which is what pacing promises; phones show no repeats. Forgotten at the end. */
export class WireLog {
  readonly #byNumber = new Map<string, AccountWire>();

  /** Notes one stanza; `to` is the number that it names, or that of the phone behind a hidden address, otherwise the address. */
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
