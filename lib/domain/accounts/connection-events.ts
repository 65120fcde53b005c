/**
 * What happened on an account's connection, as health looks at it. The number with each:
 *
 *   opened        logged in
 *   closed        the connection ended, or could not be opened: WhatsApp's code, 0 where it gave none
 *   released      we ended it on purpose, to give the account up: no disconnect
 *   check         a connection check was answered: round trip in ms; above `slowAfterMs` (connection-check.ts) it was slow
 *   check_failed  a connection check was refused, or not answered in time
 *   sent          the server took a message: ms from encrypting to its ack
 *   error_ack     the server refused a message: its code
 *   unanswered    a message on the wire was not answered
 *   not_sent      a message did not reach the wire
 *   delivered     the recipient's phone has a message: ms after it was sent
 *   query_failed  WhatsApp refused another question of ours, or did not answer it
 */
export const connectionEventKinds = [
  'opened',
  'closed',
  'released',
  'check',
  'check_failed',
  'sent',
  'error_ack',
  'unanswered',
  'not_sent',
  'delivered',
  'query_failed',
] as const;
export type ConnectionEventKind = (typeof connectionEventKinds)[number];

/** `at` is epoch ms; `value` a whole number from 0 to `maxEventValue`, 0 where the kind has none. */
export interface ConnectionEvent {
  at: number;
  kind: ConnectionEventKind;
  value: number;
}

/** Events kept per account. */
export const keptEvents = 100;
/** Larger values are cut to this: 4.6 h in ms. */
export const maxEventValue = 2 ** 24 - 1;

const firstRoom = 8;
const none = new Uint32Array(0);
const formatVersion = 1;

/**
 * The last 100 events of one account, oldest first. Nothing is allocated before the first event; up to eight take 0.3 KB of memory, a
 * hundred 1.4 KB (measured).
 */
export class EventRing {
  /** Three words an event: the time in two, upper one first; then the kind in the upper 8 bits and the value in the lower 24. */
  private words = none;
  private count = 0;
  private oldest = 0;

  get size(): number {
    return this.count;
  }

  /** Adds the newest event; the oldest goes when there is no room. */
  add(kind: ConnectionEventKind, at: number, value = 0): void {
    if (this.count * 3 === this.words.length) this.grow();
    const full = this.count === keptEvents;
    const place = (full ? this.oldest : this.count) * 3;
    const whole = Math.trunc(at);
    this.words[place] = Math.floor(whole / 2 ** 32);
    this.words[place + 1] = whole % 2 ** 32;
    this.words[place + 2] = connectionEventKinds.indexOf(kind) * 2 ** 24 + clip(value);
    if (full) this.oldest = (this.oldest + 1) % keptEvents;
    else this.count += 1;
  }

  /** All events, oldest first. */
  list(): ConnectionEvent[] {
    return Array.from({ length: this.count }, (_, i) => {
      const place = ((this.oldest + i) % keptEvents) * 3;
      const packed = this.words[place + 2] ?? 0;
      return {
        at: (this.words[place] ?? 0) * 2 ** 32 + (this.words[place + 1] ?? 0),
        kind: connectionEventKinds[packed >>> 24] ?? 'closed',
        value: packed & maxEventValue,
      };
    });
  }

  /** Until it is full there is no oldest but the first, so growing keeps every place. */
  private grow(): void {
    if (this.count === keptEvents) return;
    const room = Math.min(keptEvents, Math.max(firstRoom, this.count * 2));
    const words = new Uint32Array(room * 3);
    words.set(this.words);
    this.words = words;
  }
}

/**
 * Events as bytes to be stored, about five each: the version, then for every event its kind, the ms since the event before it (zigzag,
 * because clocks are set back) and its value, both as varints.
 */
export function encodeEvents(events: readonly ConnectionEvent[]): Uint8Array {
  const bytes = [formatVersion];
  let before = 0;
  for (const { at, kind, value } of events) {
    bytes.push(connectionEventKinds.indexOf(kind));
    const passed = at - before;
    putVarint(bytes, passed >= 0 ? passed * 2 : -passed * 2 - 1);
    putVarint(bytes, value);
    before = at;
  }
  return Uint8Array.from(bytes);
}

/** The events in these bytes, as far as they can be read; none if they are of another version. */
export function decodeEvents(bytes: Uint8Array): ConnectionEvent[] {
  if (bytes[0] !== formatVersion) return [];
  const events: ConnectionEvent[] = [];
  let at = 0;
  for (let place = 1; place < bytes.length; ) {
    const kind = connectionEventKinds[bytes[place] ?? -1];
    const passed = takeVarint(bytes, place + 1);
    const value = takeVarint(bytes, passed.next);
    if (kind === undefined || value.next > bytes.length) break;
    at += passed.value % 2 === 0 ? passed.value / 2 : -(passed.value + 1) / 2;
    events.push({ at, kind, value: clip(value.value) });
    place = value.next;
  }
  return events;
}

function clip(value: number): number {
  return Math.min(maxEventValue, Math.max(0, Math.trunc(value)));
}

/** Seven bits a byte, lowest first; by arithmetic, because times need more than 32 bits. */
function putVarint(bytes: number[], value: number): void {
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
}

/** `next` is past the end of the bytes when they end within the number. */
function takeVarint(bytes: Uint8Array, from: number): { value: number; next: number } {
  let value = 0;
  let place = from;
  for (let unit = 1; place < bytes.length; unit *= 128) {
    const byte = bytes[place] ?? 0;
    place += 1;
    value += (byte % 128) * unit;
    if (byte < 128) return { value, next: place };
  }
  return { value, next: bytes.length + 1 };
}
