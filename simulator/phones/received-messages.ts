import type { Storage } from '../storage.ts';
import type { Counts } from '../totals.ts';
import type { Content } from './contents.ts';

/**
 * One message as a phone shows it. `repeats` counts further messages with the same id. An edit or revoke is listed itself, and the message that it
 * changes is then `edited`, with the new text, or `revoked`.
 */
export type ReceivedMessage = Omit<Content, 'secret'> & {
  id: string;
  from: string;
  edited?: true;
  revoked?: true;
  receivedAt: string;
  repeats: number;
};

/** The part of a message that the store keeps beside its text. */
type Kept = Omit<Content, 'text'> & { edited?: true; revoked?: true };

const keptIn = (content: unknown): Kept => (typeof content === 'string' ? JSON.parse(content) : { type: 'text' });

const isCounted = (phone: string): boolean => !phone.includes(':');

/**
 * The messages that phones have received. Copies for further devices, and copies of an account's own messages, are kept under `number:device`.
 * `distinct` and `repeatsOnWire` do not count them: a message to a phone is one message, however many devices it has.
 */
export class ReceivedMessages {
  readonly #storage: Storage;
  readonly #counts: Counts;

  constructor(storage: Storage, counts: Counts) {
    this.#storage = storage;
    this.#counts = counts;
  }

  /** Stores a message that was opened; an id that is there already counts as a repeat and is not shown twice. */
  receive(phone: string, message: { id: string; from: string; content: Content; receivedAtMs: number }): void {
    const repeated = this.#storage.change(
      'UPDATE messages SET repeats = repeats + 1 WHERE phone = ? AND id = ?',
      phone,
      message.id,
    );
    const counted = isCounted(phone);
    const { text, ...kept } = message.content;
    if (repeated > 0) {
      if (counted) this.#counts.add('repeatsOnWire');
      return;
    }
    this.#storage.change(
      'INSERT INTO messages (phone, id, sender, text, received_at_ms, content) VALUES (?, ?, ?, ?, ?, ?)',
      phone,
      message.id,
      message.from,
      text,
      message.receivedAtMs,
      // Most messages are plain text, which needs no further content.
      kept.type === 'text' && Object.keys(kept).length === 1 ? null : JSON.stringify(kept),
    );
    this.#change(phone, message.from, message.content);
    if (counted) this.#counts.add('distinct');
    const resolved = this.#storage.change('DELETE FROM unopened WHERE phone = ? AND id = ?', phone, message.id);
    if (resolved > 0) this.#counts.add('undecryptable', -1);
  }

  /** Notes a message that could not be opened. Returns how often that happened to this id; always 1 if the phone shows it already. */
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
    return this.#storage.all('SELECT * FROM messages WHERE phone = ? ORDER BY seq', phone).map((row) => {
      const { secret: _secret, type, ...more } = keptIn(row.content);
      return {
        id: String(row.id),
        from: String(row.sender),
        type,
        text: String(row.text),
        ...more,
        receivedAt: new Date(Number(row.received_at_ms)).toISOString(),
        repeats: Number(row.repeats),
      };
    });
  }

  /** The poll that a phone has received under this id. */
  poll(phone: string, id: string): Pick<Content, 'poll' | 'secret'> | undefined {
    const row = this.#storage.get('SELECT content FROM messages WHERE phone = ? AND id = ?', phone, id);
    const kept = keptIn(row?.content);
    return kept.type === 'poll' ? kept : undefined;
  }

  /** Applies an edit or a revoke to the message it is about. Only the sender of a message can change it. */
  #change(phone: string, from: string, { type, text, replyTo }: Content): void {
    if ((type !== 'edit' && type !== 'revoke') || replyTo === undefined) return;
    const row = this.#storage.get('SELECT * FROM messages WHERE phone = ? AND id = ?', phone, replyTo);
    if (row?.sender !== from) return;
    const kept: Kept = { ...keptIn(row.content), ...(type === 'edit' ? { edited: true } : { revoked: true }) };
    this.#storage.change(
      'UPDATE messages SET text = ?, content = ? WHERE phone = ? AND id = ?',
      // The text of an edit that is encrypted a second time is not readable.
      type === 'edit' && text !== '' ? text : String(row.text),
      JSON.stringify(kept),
      phone,
      replyTo,
    );
  }
}
