/**
 * The kinds of events on an account's connection that measure its health, and the value of each:
 *
 *   opened        logged in
 *   closed        the connection ended, or could not be opened: WhatsApp's code, 0 without one
 *   released      we closed the connection on purpose, to hand the account over: not a disconnect
 *   check         a connection check was answered: round trip in ms; above `slowAfterMs` (connection-check.ts) it was slow
 *   check_failed  a connection check was refused, or not answered in time
 *   sent          the server accepted a message: ms from encryption to its ack
 *   error_ack     the server refused a message: its code
 *   unanswered    a message on the wire was not answered
 *   not_sent      a message did not reach the wire
 *   delivered     the recipient's phone has a message: ms after it was sent
 *   query_failed  WhatsApp refused or did not answer another query of ours
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

/** `at` is epoch ms. `value` is a whole number from 0 to `maxEventValue`; 0 for kinds without a value. */
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

  /** Adds an event as the newest. A full ring drops its oldest. */
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

  /** Returns all events, oldest first. */
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

  /** Makes room up to `keptEvents`. Before the ring is full, the oldest event is at index 0, so that no event moves. */
  private grow(): void {
    if (this.count === keptEvents) return;
    const room = Math.min(keptEvents, Math.max(firstRoom, this.count * 2));
    const words = new Uint32Array(room * 3);
    words.set(this.words);
    this.words = words;
  }
}

/**
 * Encodes events as bytes for storage, about five bytes each. The version comes first. Each event has its kind, the ms since the previous event
 * (zigzag, because a clock can be set back) and its value, both as varints.
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

/** Returns the events in these bytes, as far as they can be read; none for another version. */
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

/** Appends a varint: seven bits a byte, lowest first. No bit operators, because times need more than 32 bits. */
function putVarint(bytes: number[], value: number): void {
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
}

/** Reads a varint. `next` is past the end of the bytes if they end within the number. */
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
