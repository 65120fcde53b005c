import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSuccess, type Message, type MessageState, messageStates } from '../../lib/domain/message.ts';
import { afterReceipts, type TimedReceipt } from '../../lib/domain/receipts.ts';

const message = (state: MessageState, more: Partial<Message> = {}): Message => ({
  id: 'msg_0123456789ABCDEF01',
  tenantId: 'ten_0000000000000000000000000A',
  accountId: 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N',
  contractId: 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC',
  row: 0,
  to: '79991234567',
  lane: 'bulk',
  state,
  feedSeq: 1,
  attempts: 1,
  createdAt: 1_000,
  ...more,
});
const delivered = (at: number): TimedReceipt => ({ kind: 'delivered', at });
const read = (at: number): TimedReceipt => ({ kind: 'read', at });

describe('receipts of one message', () => {
  it('come to one move, with the times of both', () => {
    expect(afterReceipts(message('SENT', { sentAt: 5_000 }), [delivered(6_000), read(9_000)])).toEqual({
      to: 'READ',
      change: { attempts: 1, sentAt: 5_000, deliveredAt: 6_000, readAt: 9_000 },
    });
  });

  it('in the wrong order: the read one fills in the delivery, the late one changes nothing', () => {
    expect(afterReceipts(message('SENT', { sentAt: 5_000 }), [read(9_000), delivered(9_500)])).toEqual({
      to: 'READ',
      change: { attempts: 1, sentAt: 5_000, deliveredAt: 9_000, readAt: 9_000 },
    });
  });

  it('never put a step before the one it follows', () => {
    expect(afterReceipts(message('SENT', { sentAt: 5_700 }), [delivered(5_000), read(5_000)])).toEqual({
      to: 'READ',
      change: { attempts: 1, sentAt: 5_700, deliveredAt: 5_700, readAt: 5_700 },
    });
  });

  it('settle a send as its definite answer, once', () => {
    expect(afterReceipts(message('SENDING', { attempts: 0 }), [delivered(6_000), read(7_000)])).toEqual({
      to: 'READ',
      change: { attempts: 1, sentAt: 6_000, deliveredAt: 6_000, readAt: 7_000 },
    });
  });

  it.each(['READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'] as const)(
    'change nothing of one that is %s',
    (state) => {
      expect(afterReceipts(message(state), [delivered(6_000), read(7_000)])).toBeUndefined();
    },
  );

  it('together are what they are one by one', () => {
    const receipts = fc.array(
      fc.record({
        kind: fc.constantFrom('delivered' as const, 'read' as const),
        at: fc.integer({ min: 0, max: 20_000 }),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...messageStates), receipts, (state, given) => {
        const first = message(state, isSuccess(state) ? { sentAt: 5_000 } : {});
        let one = first;
        for (const receipt of given) {
          const after = afterReceipts(one, [receipt]);
          if (after !== undefined) one = { ...one, ...after.change, state: after.to };
        }
        const all = afterReceipts(first, given);
        const together = all === undefined ? first : { ...first, ...all.change, state: all.to };
        expect(together).toEqual(one);
      }),
    );
  });
});
