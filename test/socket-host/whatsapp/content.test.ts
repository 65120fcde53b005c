import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listBatches, storeInbound } from '../../../lib/aws/inbound.ts';
import { contentOf } from '../../../socket-host/whatsapp/content.ts';
import { inboundId, inboundOf } from '../../../socket-host/whatsapp/stanzas.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';

/** What cannot be stored would come again on every connection, for ever. */
describe('whatever a client sends', () => {
  let emulators: Emulators;
  beforeAll(async () => {
    emulators = await startEmulators();
  });
  afterAll(() => emulators.stop());

  const long = 'x'.repeat(65_535);
  const cases: [string, proto.IMessage, object][] = [
    // Half a pair, as bytes: JSON has no place for it.
    [
      'half a character',
      proto.Message.decode(Uint8Array.of(0x0a, 5, 0x61, 0xed, 0xa0, 0x80, 0x62)),
      { text: 'a\ufffdb' },
    ],
    ['a text cut within a character', { conversation: `${long}😀` }, { text: long }],
    [
      'a name that is half a character',
      { documentMessage: { fileName: '\ud800', mimetype: '\udfff', caption: '\ud801' } },
      { text: '\ufffd', media: { fileName: '\ufffd', mimeType: '\ufffd' } },
    ],
    ['contacts with half characters', { contactMessage: { displayName: '\ud800', vcard: '\ud800' } }, {}],
    ['a reaction with half a character', { reactionMessage: { text: '\ud83d', key: { id: '\ud83d' } } }, {}],
    [
      'a place nearer to zero than a number may be',
      { locationMessage: { degreesLatitude: 1e-200, degreesLongitude: -5e-324, name: '\ud800' } },
      { location: { latitude: 0, longitude: 0, name: '\ufffd' } },
    ],
    [
      'no number at all',
      { liveLocationMessage: { degreesLatitude: Number.NaN, degreesLongitude: Number.POSITIVE_INFINITY } },
      { location: { latitude: 0, longitude: 0 } },
    ],
    [
      'as many contacts as fit, in letters of three bytes',
      { contactsArrayMessage: { contacts: Array.from({ length: 30 }, () => ({ vcard: '\u4e00'.repeat(4000) })) } },
      {},
    ],
    ['the longest text in letters of three bytes', { conversation: '\u4e00'.repeat(70_000) }, {}],
    ['a quote of half a character', { extendedTextMessage: { text: 'x', contextInfo: { stanzaId: '\ud800' } } }, {}],
  ];

  it.each(cases)('can be stored: %s', async (name, message, expected) => {
    const content = contentOf(message);
    expect(content).toMatchObject(expected);
    if (content === undefined) throw new Error('nothing was told');
    const hold = { tenantId: 'ten_1', accountId: `acc_${name}` };
    const inbound = { id: '3A01', from: '79991000001', at: 1_700_000_000_000, ...content };
    const stored = await storeInbound(
      emulators.deps.table,
      hold,
      inbound,
      { kind: 'new', id: 'inb_1', dueAt: undefined },
      1_700_000_000_000,
    );
    expect(stored).toBe('stored');
    const { items } = await listBatches(emulators.deps.table, hold, { limit: 10 });
    expect(items[0]?.messages).toEqual([inbound]);
  });
});

describe('the id that a client chooses', () => {
  const me = { id: '79990000001:1@s.whatsapp.net' };
  const stanza = (id: string) => ({
    tag: 'message',
    attrs: { id, from: '79991000001@s.whatsapp.net', t: '1700000000' },
  });

  it('is cut between characters, so that the message can be stored', () => {
    const told = inboundOf(stanza(`${'x'.repeat(127)}😀`), { conversation: 'x' }, me, () => undefined);
    expect(told?.id).toBe('x'.repeat(127));
  });

  it('is the same for a message that cannot be read', () => {
    expect(inboundId(`${'x'.repeat(127)}😀`)).toBe('x'.repeat(127));
    expect(inboundId('3A01\ud800')).toBe('3A01\ufffd');
  });
});

describe('who wrote a message', () => {
  it.each([
    ['79991000001@s.whatsapp.net', {}, { from: '79991000001' }],
    ['79991000001:3@s.whatsapp.net', { sender_lid: '555:3@lid' }, { from: '79991000001', fromLid: '555' }],
    ['555:3@lid', { sender_pn: '79991000001@s.whatsapp.net' }, { from: '79991000001', fromLid: '555' }],
    ['555@lid', {}, { from: '555', fromLid: '555' }],
    ['79991000001:99@hosted', {}, { from: '79991000001' }],
    ['555:99@hosted.lid', {}, { from: '555', fromLid: '555' }],
  ])('is told by number and LID as far as WhatsApp tells them: %s', (from, more, expected) => {
    const stanza = { tag: 'message', attrs: { id: '3A01', from, t: '1700000000', ...more } };
    const me = { id: '79990000001:1@s.whatsapp.net', lid: '444:1@lid' };
    expect(inboundOf(stanza, { conversation: 'x' }, me, () => undefined)).toEqual({
      id: '3A01',
      at: 1_700_000_000_000,
      type: 'text',
      text: 'x',
      ...expected,
    });
  });
});
