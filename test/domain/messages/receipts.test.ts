import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ContractMessage,
  isSuccess,
  type MessageState,
  messageStates,
} from '../../../lib/domain/messages/message.ts';
import { afterReceipts, isRecipient, type TimedReceipt } from '../../../lib/domain/messages/receipts.ts';
import { messageIn } from '../../factories.ts';

const message = (state: MessageState, more: Partial<ContractMessage> = {}): ContractMessage =>
  messageIn(state, { attempts: 1, ...more });
const recipient = ['79991234567', 'lid:100000000000001'];
const delivered = (at: number, from = recipient): TimedReceipt => ({ kind: 'delivered', at, from });
const read = (at: number, from = recipient): TimedReceipt => ({ kind: 'read', at, from });

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

  it('resolve a send as its definite answer, once', () => {
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

  it.each(['PENDING', 'QUEUED'] as const)('change nothing of one that is %s and has never left', (state) => {
    expect(afterReceipts(message(state, { attempts: 0 }), [delivered(6_000), read(7_000)])).toBeUndefined();
    const open = message(state, { attempts: 0, openSince: 4_000 });
    expect(afterReceipts(open, [delivered(6_000)])?.to).toBe('DELIVERED');
    expect(afterReceipts(message(state, { attempts: 1 }), [delivered(6_000)])?.to).toBe('DELIVERED');
  });

  it('together are what they are one by one', () => {
    const receipts = fc.array(
      fc.record({
        kind: fc.constantFrom('delivered' as const, 'read' as const),
        at: fc.integer({ min: 0, max: 20_000 }),
        from: fc.constantFrom(recipient, ['79997654321']),
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

  it('tell where a message went when they resolve it before its ack', () => {
    const from = ['554899120009', 'lid:100000000000001'];
    const open = message('SENDING', { to: '5548999120009', attempts: 0 });
    expect(afterReceipts(open, [delivered(6_000, from)])?.change).toMatchObject({ sentTo: '554899120009' });
    expect(afterReceipts({ ...open, to: '554899120009' }, [delivered(6_000, from)])?.change.sentTo).toBeUndefined();
    const sent = message('SENT', { to: '5548999120009', sentAt: 5_000 });
    expect(afterReceipts(sent, [delivered(6_000, from)])?.change.sentTo).toBeUndefined();
  });

  it('of strangers change nothing, whatever they are mixed with', () => {
    const stranger = ['79997654321', 'lid:100000000000002'];
    const sent = message('SENT', { sentAt: 5_000 });
    expect(afterReceipts(sent, [read(6_000, stranger)])).toBeUndefined();
    expect(afterReceipts(message('SENDING'), [delivered(6_000, [])])).toBeUndefined();
    expect(afterReceipts(sent, [read(6_000, stranger), delivered(7_000), read(8_000, stranger)])).toEqual({
      to: 'DELIVERED',
      change: { attempts: 1, sentAt: 5_000, deliveredAt: 7_000 },
    });
  });
});

describe('the recipient of a message', () => {
  it.each([
    ['5548999120009', undefined, ['554899120009']],
    ['5215512345678', undefined, ['525512345678', 'lid:100000000000001']],
    ['541123456789', undefined, ['5491123456789']],
    // WhatsApp answered with a number that is no spelling of the one asked.
    ['4915112345678', '4915187654321', ['4915187654321']],
    ['4915112345678', '4915187654321', ['4915112345678']],
    ['4915112345678', '5548999120009', ['554899120009']],
  ])('%s, sent to %s, is %j', (to, sentTo, from) => {
    expect(isRecipient({ to, ...(sentTo === undefined ? {} : { sentTo }) }, from)).toBe(true);
  });

  it.each([
    ['4915112345678', ['4915112345679']],
    ['4915112345678', ['lid:4915112345678']],
    // A landline of the same area, and the same digits in another country.
    ['5548999120009', ['554833120009']],
    ['525512345678', ['5512345678']],
    ['4915112345678', []],
  ])('%s is not %j', (to, from) => {
    expect(isRecipient({ to }, from)).toBe(false);
  });
});
