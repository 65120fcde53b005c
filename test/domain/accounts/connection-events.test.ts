import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConnectionEvent,
  connectionEventKinds,
  decodeEvents,
  EventRing,
  encodeEvents,
} from '../../../lib/domain/accounts/connection-events.ts';

const anEvent: fc.Arbitrary<ConnectionEvent> = fc.record({
  at: fc.integer({ min: 0, max: 4_000_000_000_000_000 }),
  kind: fc.constantFrom(...connectionEventKinds),
  value: fc.integer({ min: 0, max: 16_777_215 }),
});

function ringOf(events: readonly ConnectionEvent[]): EventRing {
  const ring = new EventRing();
  for (const { kind, at, value } of events) ring.add(kind, at, value);
  return ring;
}

describe('the last events of a connection', () => {
  it('are the last hundred, in the order they were added', () => {
    fc.assert(
      fc.property(fc.array(anEvent, { maxLength: 350 }), (events) => {
        const ring = ringOf(events);
        expect(ring.size).toBe(Math.min(100, events.length));
        expect(ring.list()).toEqual(events.slice(-100));
      }),
    );
  });

  it('come back from their bytes as they were, whatever the clock did', () => {
    fc.assert(
      fc.property(fc.array(anEvent, { maxLength: 120 }), (events) => {
        expect(decodeEvents(encodeEvents(events))).toEqual(events);
      }),
    );
  });

  it('hold whole numbers: a value that is too large or negative is cut', () => {
    const ring = new EventRing();
    ring.add('sent', 1_800_000_000_000.7, 12.9);
    ring.add('delivered', 1_800_000_000_001, 90_000_000_000);
    ring.add('delivered', 1_800_000_000_002, -5);
    ring.add('opened', 1_800_000_000_003);
    expect(ring.list()).toEqual([
      { at: 1_800_000_000_000, kind: 'sent', value: 12 },
      { at: 1_800_000_000_001, kind: 'delivered', value: 16_777_215 },
      { at: 1_800_000_000_002, kind: 'delivered', value: 0 },
      { at: 1_800_000_000_003, kind: 'opened', value: 0 },
    ]);
  });

  it('take less than 620 bytes for an hour of checks and sends, so that storing them costs one write unit of 1 KB', () => {
    const events = Array.from({ length: 100 }, (_, i): ConnectionEvent => {
      const at = 1_800_000_000_000 + i * 36_000;
      return i % 2 === 0 ? { at, kind: 'check', value: 180 } : { at, kind: 'sent', value: 240 };
    });
    expect(encodeEvents(events).length).toBeLessThan(620);
  });

  it('are read as far as the bytes go: none of another version, none that is cut off, none of an unknown kind', () => {
    const two: ConnectionEvent[] = [
      { at: 1_800_000_000_000, kind: 'opened', value: 0 },
      { at: 1_800_000_001_000, kind: 'check', value: 300 },
    ];
    const bytes = encodeEvents(two);
    expect(decodeEvents(new Uint8Array(0))).toEqual([]);
    expect(decodeEvents(Uint8Array.from([9, ...bytes.slice(1)]))).toEqual([]);
    expect(decodeEvents(bytes.slice(0, -1))).toEqual([two[0]]);
    expect(decodeEvents(Uint8Array.from([...bytes, 200, 0, 0]))).toEqual(two);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(decodeEvents(Uint8Array.from([1, ...noise])).length).toBeLessThanOrEqual(100);
      }),
    );
  });
});
