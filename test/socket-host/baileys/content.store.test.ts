import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listBatches, storeInbound } from '../../../lib/aws/inbound/inbound.ts';
import { contentOf, editOf } from '../../../socket-host/baileys/content.ts';
import { openEdit, sealedEditIn, secretIn } from '../../../socket-host/baileys/sealed-edit.ts';
import { inboundId, inboundOf } from '../../../socket-host/baileys/stanzas.ts';
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

const { MESSAGE_EDIT, EPHEMERAL_SETTING } = proto.Message.ProtocolMessage.Type;
const { SecretEncType } = proto.Message.SecretEncryptedMessage;
const key = { id: '3A01' };
const quote = { stanzaId: '3EB0' };
const stop = (editedMessage: proto.IMessage): proto.IMessage => ({
  protocolMessage: { type: MESSAGE_EDIT, key, editedMessage },
});
const sealed = (secretEncType: number) => ({ secretEncryptedMessage: { targetMessageKey: key, secretEncType } });

describe('what a person wrote', () => {
  it.each<[string, proto.IMessage, object | undefined]>([
    [
      'a reply',
      { extendedTextMessage: { text: 'x', contextInfo: quote } },
      { type: 'text', text: 'x', target: '3EB0' },
    ],
    [
      'a button',
      { buttonsResponseMessage: { selectedButtonId: 'b1', selectedDisplayText: 'Stop', contextInfo: quote } },
      { type: 'text', text: 'Stop', target: '3EB0' },
    ],
    [
      'a button without its text',
      { buttonsResponseMessage: { selectedButtonId: 'STOP' } },
      { type: 'text', text: 'STOP' },
    ],
    [
      'a row of a list',
      { listResponseMessage: { title: 'Stop', singleSelectReply: { selectedRowId: 'r1' }, contextInfo: quote } },
      { type: 'text', text: 'Stop', target: '3EB0' },
    ],
    [
      'a button of a template',
      { templateButtonReplyMessage: { selectedId: 't1', selectedDisplayText: 'Stop', contextInfo: quote } },
      { type: 'text', text: 'Stop', target: '3EB0' },
    ],
    [
      'a choice of an interactive message',
      { interactiveResponseMessage: { body: { text: 'STOP' }, contextInfo: quote } },
      { type: 'text', text: 'STOP', target: '3EB0' },
    ],
    [
      'a choice of a native flow without its text',
      {
        interactiveResponseMessage: {
          nativeFlowResponseMessage: { name: 'quick_reply', paramsJson: '{"id":"7","display_text":"STOP"}' },
        },
      },
      { type: 'text', text: 'STOP' },
    ],
    [
      'an answer of a native flow that is no JSON',
      { interactiveResponseMessage: { nativeFlowResponseMessage: { paramsJson: '{' }, contextInfo: quote } },
      { type: 'other', target: '3EB0' },
    ],
    ['an edit', stop({ conversation: 'STOP' }), { type: 'edit', text: 'STOP', target: '3A01' }],
    [
      'an edit in a wrapper',
      { editedMessage: { message: stop({ extendedTextMessage: { text: 'STOP' } }) } },
      { type: 'edit', text: 'STOP', target: '3A01' },
    ],
    [
      'an edit in four wrappers, to a caption in two',
      {
        ephemeralMessage: {
          message: {
            viewOnceMessageV2Extension: {
              message: {
                editedMessage: {
                  message: {
                    documentWithCaptionMessage: {
                      message: stop({
                        ephemeralMessage: {
                          message: {
                            documentWithCaptionMessage: { message: { documentMessage: { caption: 'STOP' } } },
                          },
                        },
                      }),
                    },
                  },
                },
              },
            },
          },
        },
      },
      { type: 'edit', text: 'STOP', target: '3A01' },
    ],
    [
      'an edit of a round film',
      stop({ ptvMessage: { caption: 'STOP' } }),
      { type: 'edit', text: 'STOP', target: '3A01' },
    ],
    ['an edit to nothing', stop({ imageMessage: {} }), { type: 'edit', target: '3A01' }],
    ['an encrypted edit', sealed(SecretEncType.MESSAGE_EDIT), { type: 'edit', target: '3A01' }],
    ['an encrypted edit of an event', sealed(SecretEncType.EVENT_EDIT), { type: 'other', target: '3A01' }],
    [
      'a view-once picture',
      { viewOnceMessageV2: { message: { imageMessage: { mimetype: 'image/jpeg', viewOnce: true } } } },
      { type: 'image', media: { mimeType: 'image/jpeg' } },
    ],
    [
      'a moving sticker',
      { lottieStickerMessage: { message: { stickerMessage: { mimetype: 'application/was', contextInfo: quote } } } },
      { type: 'sticker', media: { mimeType: 'application/was' }, target: '3EB0' },
    ],
    [
      'a round film',
      { ptvMessage: { mimetype: 'video/mp4', seconds: 3 } },
      { type: 'video', media: { mimeType: 'video/mp4', durationSec: 3 } },
    ],
    [
      'a place that moves',
      { liveLocationMessage: { degreesLatitude: 1, degreesLongitude: 2, caption: 'here', contextInfo: quote } },
      { type: 'location', text: 'here', location: { latitude: 1, longitude: 2 }, target: '3EB0' },
    ],
    [
      'several contacts',
      { contactsArrayMessage: { contacts: [{ displayName: 'Ann' }, { displayName: 'Bob' }], contextInfo: quote } },
      { type: 'contact', contacts: [{ name: 'Ann' }, { name: 'Bob' }], target: '3EB0' },
    ],
    ['a reaction', { reactionMessage: { key, text: '👍' } }, { type: 'reaction', emoji: '👍', target: '3A01' }],
    ['a poll', { pollCreationMessageV3: { name: 'When?', contextInfo: quote } }, { type: 'other', target: '3EB0' }],
    [
      'a poll in a wrapper',
      { pollCreationMessageV4: { message: { pollCreationMessage: { name: 'When?' } } } },
      { type: 'other' },
    ],
    ['a vote', { pollUpdateMessage: { pollCreationMessageKey: key } }, { type: 'other', target: '3A01' }],
    ['a pin', { pinInChatMessage: { key, type: 1 } }, { type: 'other', target: '3A01' }],
    ['a keep', { keepInChatMessage: { key } }, { type: 'other', target: '3A01' }],
    ['an event', { eventMessage: { name: 'Party' } }, { type: 'other' }],
    [
      'an answer to an event',
      { encEventResponseMessage: { eventCreationMessageKey: key } },
      { type: 'other', target: '3A01' },
    ],
    ['an encrypted reaction', { encReactionMessage: { targetMessageKey: key } }, { type: 'other', target: '3A01' }],
    ['a product', { productMessage: { body: 'x', contextInfo: quote } }, { type: 'other', target: '3EB0' }],
    ['an order', { orderMessage: { message: 'x' } }, { type: 'other' }],
    ['an invitation to a group', { groupInviteMessage: { caption: 'Come' } }, { type: 'other' }],
    ['what only a phone shows', { placeholderMessage: { type: 0 } }, { type: 'other' }],
    ['a setting', { ephemeralMessage: { message: { protocolMessage: { type: EPHEMERAL_SETTING } } } }, undefined],
    ['keys of a group', { senderKeyDistributionMessage: { groupId: '1@g.us' }, messageContextInfo: {} }, undefined],
    ['an empty wrapper', { viewOnceMessageV2: {} }, undefined],
  ])('is told by kind, with the message it is about: %s', (_, message, content) => {
    const decoded = proto.Message.decode(proto.Message.encode(message).finish());
    expect(contentOf(decoded)).toEqual(content);
  });
});

describe('an encrypted edit', () => {
  // Made by HMAC and AES-GCM alone: HKDF-SHA256(secret, no salt, id + writer + editor + "Message Edit"), no additional data.
  const secret = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
  const edit = (payload: string) => ({
    target: '3A01',
    payload: Buffer.from(payload, 'hex'),
    iv: Buffer.from('a0a1a2a3a4a5a6a7a8a9aaab', 'hex'),
  });
  const addresses = ['555@lid', '79991000001@s.whatsapp.net'];

  it.each([
    ['by LID', 'fe8b47479cb3bce6e8a69ce34e1ff19140ea9696e5ba'],
    ['by LID, of a message sent by number', 'bd7c83ee91d3af6eeeff4042351a1af8718276f0ddf9'],
    ['by number, as a whole order to edit', 'a5fbd3ef7a2922c11c0202d19eb175423d7205a98ca1642f4641fe50'],
  ])('has its text: %s', (_, payload) => {
    const edited = openEdit(edit(payload), secret, addresses);
    expect(editOf(edited, '3A01')).toEqual({ type: 'edit', text: 'STOP', target: '3A01' });
  });

  it.each([
    ['from another person', secret, 'b3f65d211ec444b759addce002853d04d4cf08af4000'],
    ['of a message with another secret', Buffer.alloc(32), 'fe8b47479cb3bce6e8a69ce34e1ff19140ea9696e5ba'],
    ['that was changed on the way', secret, 'ff8b47479cb3bce6e8a69ce34e1ff19140ea9696e5ba'],
  ])('has none: %s', (_, with_, payload) => {
    expect(openEdit(edit(payload), with_, addresses)).toBeUndefined();
  });

  it('is found in wrappers, and the secret of a message too; what is incomplete is not one', () => {
    const { payload, iv, target } = edit('00'.repeat(22));
    const parts = { targetMessageKey: { id: target }, encPayload: payload, encIv: iv, secretEncType: 2 };
    const wrapped = (secretEncryptedMessage: object) => ({ ephemeralMessage: { message: { secretEncryptedMessage } } });
    expect(sealedEditIn(wrapped(parts))).toEqual({ target, payload, iv });
    expect(sealedEditIn(wrapped({ ...parts, encIv: iv.subarray(1) }))).toBeUndefined();
    expect(sealedEditIn(wrapped({ ...parts, encPayload: payload.subarray(0, 16) }))).toBeUndefined();
    expect(sealedEditIn(wrapped({ ...parts, targetMessageKey: null }))).toBeUndefined();
    expect(sealedEditIn(wrapped({ ...parts, secretEncType: 1 }))).toBeUndefined();
    const inner = { conversation: 'x', messageContextInfo: { messageSecret: secret } };
    expect(secretIn({ ephemeralMessage: { message: inner } })).toEqual(secret);
    expect(secretIn({ conversation: 'x', messageContextInfo: { messageSecret: secret.subarray(1) } })).toBeUndefined();
  });
});

describe('the id that a client chooses', () => {
  const me = { id: '79990000001:1@s.whatsapp.net' };
  const stanza = (id: string) => ({
    tag: 'message',
    attrs: { id, from: '79991000001@s.whatsapp.net', t: '1700000000' },
  });

  it('is cut between characters, so that the message can be stored', () => {
    const told = inboundOf(stanza(`${'x'.repeat(127)}😀`), { type: 'text', text: 'x' }, me, () => undefined);
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
    expect(inboundOf(stanza, { type: 'text', text: 'x' }, me, () => undefined)).toEqual({
      id: '3A01',
      at: 1_700_000_000_000,
      type: 'text',
      text: 'x',
      ...expected,
    });
  });
});
