import type { Storage } from './storage.ts';
import { decodeStanza, encodeStanza, type Stanza } from './wire/stanza.ts';

/**
 * A stanza that the server owes an account: a receipt, message or retry request. It is sent when due while the account is connected, and again before
 * the offline marker of each login, until the client acknowledges it. The text of an acknowledged message is kept, because a client may still ask for
 * the message again.
 */
export type Owed = {
  readonly seq: number;
  readonly account: string;
  readonly kind: 'message' | 'receipt';
  readonly id: string;
  readonly dueMs: number;
  stanza: Stanza;
  /** The origin of a message that can be encrypted again; otherwise undefined. */
  readonly written: Origin | undefined;
};

/**
 * The origin of a message: a phone, with the plaintext to encrypt again; or the address of an account, which encrypts the message again itself after
 * a retry receipt.
 */
export type Origin = { readonly phone: string; readonly plaintext: Buffer } | { readonly account: string };

const originIn = ({ phone, plaintext }: Record<string, unknown>): Origin | undefined => {
  if (typeof phone !== 'string') return undefined;
  return plaintext instanceof Uint8Array ? { phone, plaintext: Buffer.from(plaintext) } : { account: phone };
};

/** The mark of an acknowledged message in the store. Data folders of earlier versions hold this value, so it stays. */
const ACKED = 'settled';
/** The number of acknowledged messages kept for each account. */
const MOST_ACKED = 200;

type Entry = { readonly owed: Owed; timer: NodeJS.Timeout | undefined };

export class Outbox {
  readonly #storage: Storage;
  readonly #clock: () => number;
  readonly #send: (owed: Owed) => void;
  readonly #byAccount = new Map<string, Map<number, Entry>>();
  /** By account, oldest first. */
  readonly #acked = new Map<string, Owed[]>();
  #nextSeq = 1;
  #stopped = false;

  /** `send` is called when a stanza is due; it does nothing when the account is not connected. */
  constructor(storage: Storage, clock: () => number, send: (owed: Owed) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#send = send;
    for (const row of storage.all('SELECT * FROM outbox ORDER BY seq')) {
      const stanza = row.stanza instanceof Uint8Array ? decodeStanza(Buffer.from(row.stanza)) : undefined;
      if (!stanza) continue;
      const owed: Owed = {
        seq: Number(row.seq),
        account: String(row.account),
        kind: row.kind === 'message' ? 'message' : 'receipt',
        id: String(row.id),
        dueMs: Number(row.due_ms),
        stanza,
        written: originIn(row),
      };
      if (row.kind === ACKED) this.#keepAcked({ ...owed, kind: 'message' });
      else this.#schedule(owed);
      this.#nextSeq = Number(row.seq) + 1;
    }
  }

  /** Adds a stanza that is due to the account from `dueMs` on. */
  add(account: string, kind: Owed['kind'], stanza: Stanza, dueMs: number, written?: Origin): void {
    const owed: Owed = { seq: this.#nextSeq++, account, kind, id: stanza.attrs.id ?? '', dueMs, stanza, written };
    const [phone, plaintext] =
      written && 'phone' in written ? [written.phone, written.plaintext] : [written?.account ?? null, null];
    this.#storage.change(
      'INSERT INTO outbox (seq, account, kind, id, due_ms, stanza, phone, plaintext) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      owed.seq,
      account,
      kind,
      owed.id,
      dueMs,
      encodeStanza(stanza),
      phone,
      plaintext,
    );
    this.#schedule(owed);
  }

  /** Returns the stanzas that are due and not acknowledged, oldest first. */
  due(account: string): Owed[] {
    const now = this.#clock();
    return this.#entries(account).filter((owed) => owed.dueMs <= now);
  }

  /** Returns the first entry of a kind with this id that the filter accepts. */
  find(
    account: string,
    kind: Owed['kind'],
    id: string,
    matches: (owed: Owed) => boolean = () => true,
  ): Owed | undefined {
    for (const { owed } of this.#byAccount.get(account)?.values() ?? []) {
      if (owed.kind === kind && owed.id === id && matches(owed)) return owed;
    }
    return undefined;
  }

  /** Returns the message with this id, acknowledged or not. */
  findMessage(account: string, id: string): Owed | undefined {
    return this.find(account, 'message', id) ?? this.#acked.get(account)?.findLast((owed) => owed.id === id);
  }

  /** Replaces a stanza that the client could not use, and sends the new one, which the client must acknowledge again. */
  replace(owed: Owed, stanza: Stanza): void {
    owed.stanza = stanza;
    this.#storage.change(
      'UPDATE outbox SET stanza = ?, kind = ? WHERE seq = ?',
      encodeStanza(stanza),
      owed.kind,
      owed.seq,
    );
    if (this.#byAccount.get(owed.account)?.has(owed.seq)) this.#send(owed);
    else {
      this.#forgetAcked(owed);
      this.#schedule(owed);
    }
  }

  /** Notes that the client has acknowledged a message. */
  acknowledge(owed: Owed): void {
    const entries = this.#byAccount.get(owed.account);
    clearTimeout(entries?.get(owed.seq)?.timer);
    if (!entries?.delete(owed.seq)) return;
    this.#storage.change('UPDATE outbox SET kind = ? WHERE seq = ?', ACKED, owed.seq);
    this.#keepAcked(owed);
  }

  /** Forgets a stanza: the client has acknowledged it, or it is given up. */
  remove(owed: Owed): void {
    const entries = this.#byAccount.get(owed.account);
    clearTimeout(entries?.get(owed.seq)?.timer);
    entries?.delete(owed.seq);
    this.#forgetAcked(owed);
    this.#storage.change('DELETE FROM outbox WHERE seq = ?', owed.seq);
  }

  /** Forgets all that is owed to an account that was unlinked. */
  clear(account: string): void {
    for (const owed of [...this.#entries(account), ...(this.#acked.get(account) ?? [])]) this.remove(owed);
  }

  /** Ends all timers. */
  stop(): void {
    this.#stopped = true;
    for (const entries of this.#byAccount.values()) for (const { timer } of entries.values()) clearTimeout(timer);
  }

  #keepAcked(owed: Owed): void {
    const kept = this.#acked.get(owed.account) ?? [];
    this.#acked.set(owed.account, kept);
    kept.push(owed);
    const oldest = kept[0];
    if (kept.length > MOST_ACKED && oldest) this.remove(oldest);
  }

  #forgetAcked(owed: Owed): void {
    const kept = this.#acked.get(owed.account);
    const at = kept?.indexOf(owed) ?? -1;
    if (at >= 0) kept?.splice(at, 1);
  }

  #entries(account: string): Owed[] {
    return [...(this.#byAccount.get(account)?.values() ?? [])].map((entry) => entry.owed);
  }

  #schedule(owed: Owed): void {
    const entries = this.#byAccount.get(owed.account) ?? new Map<number, Entry>();
    this.#byAccount.set(owed.account, entries);
    const entry: Entry = { owed, timer: undefined };
    entries.set(owed.seq, entry);
    const waitMs = owed.dueMs - this.#clock();
    if (waitMs <= 0) this.#send(owed);
    else if (!this.#stopped) entry.timer = setTimeout(() => this.#send(owed), Math.min(waitMs, 2 ** 31 - 1));
  }
}
