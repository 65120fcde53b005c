import type { Storage } from '../storage.ts';
import type { Counts } from '../totals.ts';

/** One message as a phone shows it; `repeats` is how often the same id came again. */
export type ReceivedMessage = { id: string; from: string; text: string; receivedAt: string; repeats: number };

const isCounted = (phone: string): boolean => !phone.includes(':');

/**
 * What the phones have received. The copies of further devices, and of what an account sends, are kept under
 * `number:device` and count nowhere: a message to a phone is one message, however many devices it has.
 */
export class Inbox {
  readonly #storage: Storage;
  readonly #counts: Counts;

  constructor(storage: Storage, counts: Counts) {
    this.#storage = storage;
    this.#counts = counts;
  }

  /** Stores a message that was opened; an id that is there already counts as a repeat and is not shown twice. */
  receive(phone: string, message: { id: string; from: string; text: string; receivedAtMs: number }): void {
    const repeated = this.#storage.change(
      'UPDATE messages SET repeats = repeats + 1 WHERE phone = ? AND id = ?',
      phone,
      message.id,
    );
    const counted = isCounted(phone);
    if (repeated > 0) {
      if (counted) this.#counts.add('repeatsOnWire');
      return;
    }
    this.#storage.change(
      'INSERT INTO messages (phone, id, sender, text, received_at_ms) VALUES (?, ?, ?, ?, ?)',
      phone,
      message.id,
      message.from,
      message.text,
      message.receivedAtMs,
    );
    if (counted) this.#counts.add('distinct');
    const resolved = this.#storage.change('DELETE FROM unopened WHERE phone = ? AND id = ?', phone, message.id);
    if (resolved > 0) this.#counts.add('undecryptable', -1);
  }

  /** Notes a message that could not be opened; how often that happened to this id. */
  fail(phone: string, id: string): number {
    const row = this.#storage.get('SELECT attempts FROM unopened WHERE phone = ? AND id = ?', phone, id);
    const attempts = Number(row?.attempts ?? 0) + 1;
    const shown = this.#storage.get('SELECT 1 FROM messages WHERE phone = ? AND id = ?', phone, id);
    if (attempts === 1 && !shown) this.#counts.add('undecryptable');
    if (shown) return attempts;
    this.#storage.change(
      `INSERT INTO unopened (phone, id, attempts) VALUES (?, ?, 1)
       ON CONFLICT (phone, id) DO UPDATE SET attempts = attempts + 1`,
      phone,
      id,
    );
    return attempts;
  }

  /** The messages of a phone, oldest first. */
  list(phone: string): ReceivedMessage[] {
    return this.#storage.all('SELECT * FROM messages WHERE phone = ? ORDER BY seq', phone).map((row) => ({
      id: String(row.id),
      from: String(row.sender),
      text: String(row.text),
      receivedAt: new Date(Number(row.received_at_ms)).toISOString(),
      repeats: Number(row.repeats),
    }));
  }
}
