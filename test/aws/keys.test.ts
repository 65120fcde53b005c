import { describe, expect, it } from 'vitest';
import { eventPlace, keys, partsOf, places, ranges, suppressionAt } from '../../lib/aws/keys.ts';

const noon = 1_795_176_000_000;

describe('keys', () => {
  it('are read again where an item holds its parts nowhere else', () => {
    expect(partsOf.accountRef(keys.accountRef('ten_1', 'acc_1'))).toEqual({ accountId: 'acc_1' });
    expect(partsOf.running(keys.running('ten_1', 'acc_1', 'con_1'))).toEqual({ contractId: 'con_1' });
    expect(partsOf.backlog(keys.backlog('ten_1', 'con_1', noon, 'msg_1'))).toEqual({
      notBefore: noon,
      messageId: 'msg_1',
    });
    const { place } = partsOf.suppression(keys.suppression('ten_1', noon, 'lid:555'));
    expect(place).toBe('1795176000000#lid:555');
    expect(suppressionAt('ten_1', place)).toEqual(keys.suppression('ten_1', noon, 'lid:555'));
  });

  it('stand within the range that reads them', () => {
    const within = ({ pk, sk }: { pk: string; sk: string }, range: { pk: string; skPrefix?: string }) =>
      pk === range.pk && sk.startsWith(range.skPrefix ?? '');
    expect([
      within(keys.apiKey('ten_1', 'key_1'), ranges.apiKeys('ten_1')),
      within(keys.accountRef('ten_1', 'acc_1'), ranges.accountRefs('ten_1')),
      within(keys.contract('ten_1', 'con_1'), ranges.contracts('ten_1')),
      within(keys.endpoint('ten_1', 'whk_1'), ranges.endpoints('ten_1')),
      within(keys.accountHot('ten_1', 'acc_1'), ranges.account('ten_1', 'acc_1')),
      within(keys.running('ten_1', 'acc_1', 'con_1'), ranges.running('ten_1', 'acc_1')),
      within(keys.confirmation('ten_1', 'acc_1', '7'), ranges.confirmations('ten_1', 'acc_1')),
      within(keys.counter('ten_1', 'con_1', 'acc_1'), ranges.contract('ten_1', 'con_1')),
      within(keys.delivery('ten_1', 'whk_1', noon, 'dlv_1'), ranges.deliveries('ten_1', 'whk_1')),
      within(
        keys.deliverySequence('ten_1', 'whk_1', '7', { at: noon, rank: 1, id: 'dlv_1' }),
        ranges.deliverySequence('ten_1', 'whk_1', '7'),
      ),
    ]).toEqual(Array(10).fill(true));
  });

  it('of a backlog and of deliveries are cut off at a time', () => {
    expect(ranges.backlog('ten_1', 'con_1')).toEqual({ pk: 'T#ten_1#C#con_1', skBetween: ['DUE#', 'DUE#~'] });
    expect(ranges.backlog('ten_1', 'con_1', noon).skBetween).toEqual(['DUE#', 'DUE#001795176000000#~']);
    expect(ranges.deliveriesBetween('ten_1', 'whk_1', 0, noon)).toEqual({
      pk: 'T#ten_1#W#whk_1',
      skBetween: ['D#0000000000000', 'D#1795176000000'],
    });
  });
});

describe('sort values of the index', () => {
  it('are stored in this form, and read again', () => {
    const account = { tenantId: 'ten_1', accountId: 'acc_1' };
    const values = [
      ['ten_1#acc_1', places.account.of('ten_1', 'acc_1'), places.account.read, account],
      [
        'ten_1#acc_1#con_1',
        places.contract.of('ten_1', 'acc_1', 'con_1'),
        places.contract.read,
        { ...account, contractId: 'con_1' },
      ],
      [
        '2026-11-20T12:00:00.000Z#ten_1#con_1',
        places.dueContract.of(noon, 'ten_1', 'con_1'),
        places.dueContract.read,
        { tenantId: 'ten_1', contractId: 'con_1' },
      ],
      [
        '2026-11-20T12:00:00.000Z#ten_1#acc_1#inb_1',
        places.inboundBatch.of(noon, 'ten_1', 'acc_1', 'inb_1'),
        places.inboundBatch.read,
        { ...account, id: 'inb_1' },
      ],
      [
        '2026-11-20T12:00:00.000Z#ten_1#whk_1#1795176000007#dlv_1',
        places.delivery.of(noon, 'ten_1', 'whk_1', noon + 7, 'dlv_1'),
        places.delivery.read,
        { tenantId: 'ten_1', endpointId: 'whk_1', at: noon + 7, id: 'dlv_1', due: noon },
      ],
    ] as const;
    for (const [stored, value, read, parts] of values) {
      expect(value).toBe(stored);
      expect(read(stored)).toEqual(parts);
      expect(read('ten_1')).toBeUndefined();
    }
  });

  it('are cut off at a time, with those of that time or without', () => {
    expect(places.before(noon)).toEqual(['0', '2026-11-20T12:00:00.000Z']);
    expect(places.until(noon)).toEqual(['0', '2026-11-20T12:00:00.000Z#~']);
  });
});

it('the place of an event is carried in this form, and read again', () => {
  expect(eventPlace.of({ at: noon, id: 'evt_1' })).toBe('1795176000000#evt_1');
  expect(eventPlace.read('1795176000000#evt_1')).toEqual({ at: noon, id: 'evt_1' });
  expect(eventPlace.read('')).toBeUndefined();
});
