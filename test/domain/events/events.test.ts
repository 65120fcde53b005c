import { describe, expect, it } from 'vitest';
import {
  type EventDraft,
  eventGroups,
  eventsOf,
  eventTypes,
  type Image,
  matchesType,
} from '../../../lib/domain/events/events.ts';
import { receivedAsPrinted } from '../../../lib/domain/inbound/view.ts';
import type { MessageState } from '../../../lib/domain/messages/message.ts';
import { accountId, contractId, messageImage, tenantId } from '../../factories.ts';

const noon = Date.UTC(2026, 10, 20, 12);
const record = { at: noon, version: '000000001' };

const message = (state: string, more: Image = {}): Image => ({
  pk: `T#${tenantId}#M#msg_0123456789ABCDEF01`,
  sk: 'M',
  type: 'message',
  ...messageImage(state as MessageState, { createdAt: noon - 60_000 }),
  ...more,
});
const account = (status: string, more: Image = {}): Image => ({
  type: 'account',
  id: accountId,
  tenantId,
  name: 'Billing',
  priority: 1,
  weight: 1,
  desired: 'connected',
  status,
  statusSince: noon - 5000,
  useLimits: true,
  pacing: {},
  linkMethod: 'qr',
  laneUrls: {},
  warnings: [],
  createdAt: noon - 60_000,
  ...more,
});
const contract = (status: string, more: Image = {}): Image => ({
  type: 'contract',
  id: contractId,
  tenantId,
  name: 'Notes',
  accountIds: [accountId],
  status,
  totalCount: 3,
  createdAt: noon - 60_000,
  ...more,
});

const types = (drafts: EventDraft[]) => drafts.map(({ type }) => type);
const publishedBy = (before: Image | undefined, after: Image | undefined) => types(eventsOf(before, after, record));

describe('messages', () => {
  it.each([
    [undefined, 'QUEUED', ['message.queued']],
    [undefined, 'FAILED', ['message.failed']],
    [undefined, 'SUPPRESSED', ['message.suppressed']],
    [undefined, 'CANCELED', ['message.canceled']],
    ['PENDING', 'QUEUED', ['message.queued']],
    ['QUEUED', 'SENDING', []],
    ['QUEUED', 'PENDING', []],
    ['SENDING', 'PENDING', []],
    ['SENDING', 'SENT', ['message.sent', 'contract.progress']],
    ['SENDING', 'FAILED', ['message.failed', 'contract.progress']],
    ['QUEUED', 'CANCELED', ['message.canceled', 'contract.progress']],
    ['PENDING', 'EXPIRED', ['message.expired', 'contract.progress']],
    ['SENT', 'DELIVERED', ['message.delivered']],
    ['DELIVERED', 'READ', ['message.read']],
    ['FAILED', 'PENDING', []],
  ])('%s -> %s publishes %j', (from, to, expected) => {
    expect(publishedBy(from === undefined ? undefined : message(from), message(to))).toEqual(expected);
  });

  it.each([
    ['SENDING', 'DELIVERED', ['message.sent', 'message.delivered', 'contract.progress']],
    ['SENDING', 'READ', ['message.sent', 'message.delivered', 'message.read', 'contract.progress']],
    ['QUEUED', 'DELIVERED', ['message.sent', 'message.delivered', 'contract.progress']],
    ['SENT', 'READ', ['message.delivered', 'message.read']],
  ])('%s -> %s publishes the steps it skipped', (from, to, expected) => {
    expect(publishedBy(message(from), message(to))).toEqual(expected);
  });

  it('publishes nothing of a change within a state, of an older receipt, or of its removal', () => {
    expect(publishedBy(message('QUEUED'), message('QUEUED', { feedSeq: 2 }))).toEqual([]);
    expect(publishedBy(message('READ'), message('DELIVERED'))).toEqual([]);
    expect(publishedBy(message('FAILED'), message('FAILED', { cleared: true }))).toEqual([]);
    expect(publishedBy(message('READ'), undefined)).toEqual([]);
  });

  it('shows the message as GET does, its text left out, in the second it was written and at its own time within', () => {
    const sent = message('SENT', { sentAt: noon + 340, attempts: 1, externalId: 'order-7' });
    expect(eventsOf(message('SENDING'), sent, record)[0]).toEqual({
      id: 'evt_ZR8F4B5A2QGB0AW0BK06P50AE7',
      type: 'message.sent',
      at: noon + 341,
      tenantId,
      accountId,
      chat: '79991234567',
      content: 'msg_0123456789ABCDEF01',
      about: {
        kind: 'data',
        data: {
          message: {
            id: 'msg_0123456789ABCDEF01',
            whatsappId: '3EB00123456789ABCDEF01',
            accountId,
            contractId,
            source: 'contract',
            lane: 'bulk',
            to: '79991234567',
            sentTo: '79991234567',
            type: 'text',
            text: null,
            template: null,
            externalId: 'order-7',
            status: 'SENT',
            reason: null,
            attempts: 1,
            createdAt: '2026-11-20T11:59:00.000Z',
            queuedAt: null,
            sentAt: '2026-11-20T12:00:00.340Z',
            deliveredAt: null,
            readAt: null,
            expiresAt: null,
            error: null,
          },
        },
      },
      logged: true,
    });
  });

  it('puts a receipt that waited for hours where pollers look, and keeps the order of steps', () => {
    const read = message('READ', { sentAt: noon - 7_200_000, deliveredAt: noon - 7_200_000, readAt: noon - 3_600_000 });
    expect(eventsOf(message('SENT'), read, record).map(({ at }) => at)).toEqual([noon + 2, noon + 3]);
  });

  it('keeps failures of later feedings apart, and publishes a sending only once', () => {
    const first = eventsOf(message('SENDING'), message('FAILED', { attempts: 3 }), record);
    const again = message('FAILED', { feedSeq: 2, attempts: 3 });
    const second = eventsOf(message('SENDING', { feedSeq: 2 }), again, { at: noon, version: '000000005' });
    expect(first[0]?.id).not.toBe(second[0]?.id);
    const sent = eventsOf(message('SENDING'), message('SENT'), record);
    const later = eventsOf(message('SENDING'), message('SENT'), { at: noon + 50_000, version: '000000009' });
    expect(sent[0]?.id).toBe(later[0]?.id);
  });

  it('throws on an image that cannot be a message', () => {
    expect(() => eventsOf(undefined, message('SENT', { to: undefined }), record)).toThrow(/lacks one of its ids/);
    expect(() => eventsOf(undefined, message('ELSEWHERE'), record)).toThrow(/no known state/);
    expect(() => eventsOf(undefined, message('SENT', { createdAt: 'yesterday' }), record)).toThrow();
  });
});

describe('the progress of a contract', () => {
  const progressAt = (at: number, id: string) => {
    const drafts = eventsOf(message('SENDING', { id }), message('SENT', { id }), { at, version: id });
    return drafts.find(({ type }) => type === 'contract.progress');
  };

  it('is one event for all messages that end within half a minute, dated at their beginning', () => {
    const first = progressAt(noon + 1000, 'msg_0123456789ABCDEF01');
    expect(first).toMatchObject({ at: noon, about: { kind: 'contract', contractId }, accountId });
    expect(progressAt(noon + 29_000, 'msg_0123456789ABCDEF02')?.id).toBe(first?.id);
    expect(progressAt(noon + 30_000, 'msg_0123456789ABCDEF03')).toMatchObject({ at: noon + 30_000 });
    expect(progressAt(noon + 30_000, 'msg_0123456789ABCDEF03')?.id).not.toBe(first?.id);
  });
});

describe('accounts', () => {
  const link = { method: 'qr', code: 'https://wa.me/x#1', attempt: 1, expiresAt: noon + 60_000 };

  it.each([
    ['created', 'connecting', []],
    ['connecting', 'awaiting_link', []],
    ['connecting', 'connected', ['account.connected']],
    ['connected', 'disconnected', ['account.disconnected']],
    ['connected', 'connecting', ['account.disconnected']],
    ['disconnected', 'connecting', []],
    ['connecting', 'disconnected', []],
    ['connected', 'logged_out', ['account.logged_out']],
    ['connected', 'restricted', ['account.restricted']],
    ['connecting', 'banned', ['account.banned']],
    ['connecting', 'failed', ['account.disconnected']],
    ['restricted', 'connecting', []],
  ])('%s -> %s publishes %j', (from, to, expected) => {
    expect(publishedBy(account(from), account(to))).toEqual(expected);
  });

  it('publishes that nobody linked it in time, and that it rests at its tenant’s wish', () => {
    const unlinked = account('disconnected', { statusReason: 'link_timeout' });
    const resting = account('disconnected', { statusReason: 'by_request' });
    expect(publishedBy(account('awaiting_link'), unlinked)).toEqual(['account.disconnected']);
    const otherNumber = account('disconnected', { statusReason: 'number_changed', linkedNumber: '79990000002' });
    expect(publishedBy(account('awaiting_link'), otherNumber)).toEqual(['account.disconnected']);
    expect(publishedBy(otherNumber, account('connecting'))).toEqual([]);
    expect(publishedBy(account('connecting'), resting)).toEqual(['account.disconnected']);
    expect(publishedBy(resting, resting)).toEqual([]);
  });

  it('publishes creation and deletion, and nothing more of one that is deleted', () => {
    expect(publishedBy(undefined, account('created'))).toEqual(['account.created']);
    const deleted = account('connected', { deletedAt: noon });
    expect(publishedBy(account('connected'), deleted)).toEqual(['account.deleted']);
    expect(publishedBy(deleted, account('logged_out', { deletedAt: noon }))).toEqual([]);
    expect(publishedBy(deleted, undefined)).toEqual([]);
  });

  it('publishes each code once, to be kept nowhere', () => {
    const waiting = account('awaiting_link', { link });
    const [qr] = eventsOf(account('connecting'), waiting, record);
    expect(qr).toMatchObject({
      type: 'account.qr',
      logged: false,
      about: {
        kind: 'data',
        data: { accountId, code: 'https://wa.me/x#1', attempt: 1, expiresAt: '2026-11-20T12:01:00.000Z' },
      },
    });
    expect(publishedBy(waiting, account('awaiting_link', { link, warnings: ['slow'] }))).toEqual([]);
    const pairing = { ...link, method: 'pairing_code', code: 'ABCD1234' };
    expect(publishedBy(waiting, account('awaiting_link', { link: pairing }))).toEqual(['account.pairing_code']);
  });

  it('keeps two disconnects of the same account apart', () => {
    const ids = ['1', '2'].map((version) =>
      eventsOf(account('connected'), account('disconnected'), { at: noon, version }).map(({ id }) => id),
    );
    expect(ids[0]).not.toEqual(ids[1]);
  });
});

describe('contracts', () => {
  it.each([
    [undefined, 'PENDING', []],
    [undefined, 'IN_PROGRESS', ['contract.started']],
    ['PENDING', 'IN_PROGRESS', ['contract.started']],
    ['IN_PROGRESS', 'PAUSED', ['contract.paused']],
    ['PAUSED', 'IN_PROGRESS', ['contract.resumed']],
    ['COMPLETED', 'IN_PROGRESS', ['contract.resumed']],
    ['IN_PROGRESS', 'COMPLETED', ['contract.completed']],
    ['IN_PROGRESS', 'FAILED', ['contract.failed']],
    ['PAUSED', 'CANCELED', ['contract.canceled']],
    ['IN_PROGRESS', 'DELETED', ['contract.canceled']],
    ['COMPLETED', 'DELETED', []],
    ['IN_PROGRESS', 'IN_PROGRESS', []],
  ])('%s -> %s publishes %j', (from, to, expected) => {
    expect(publishedBy(from === undefined ? undefined : contract(from), contract(to))).toEqual(expected);
  });

  it('publishes how an import ended, once', () => {
    const importing = (status: string, id = 'imp_1') => ({ import: { id, status } });
    const reading = contract('IMPORTING', importing('reading'));
    expect(publishedBy(reading, contract('PENDING', importing('completed')))).toEqual(['import.completed']);
    expect(publishedBy(reading, contract('PENDING', importing('failed')))).toEqual(['import.failed']);
    const failed = contract('PENDING', importing('failed'));
    expect(publishedBy(failed, contract('PENDING', { ...importing('failed'), name: 'Other' }))).toEqual([]);
    expect(publishedBy(failed, contract('IMPORTING', importing('awaiting_upload', 'imp_2')))).toEqual([]);
  });
});

describe('inbound batches, opt-outs, endpoints', () => {
  const inbound = { id: '3A01', from: '79991234567', at: noon, type: 'text', text: 'Is it open on Sunday?' };
  const batch = (more: Image = {}): Image => ({
    type: 'inboundBatch',
    id: 'inb_01KAFXR2M6B8V4N3T7Q9Z5W1HC',
    tenantId,
    accountId,
    chat: '79991234567',
    from: '79991234567',
    messages: [inbound, { ...inbound, id: '3A02' }],
    openedAt: noon - 4000,
    dueAt: noon,
    ...more,
  });

  it('publishes a batch when it closes, what was said left out', () => {
    expect(publishedBy(undefined, batch())).toEqual([]);
    expect(publishedBy(batch(), batch({ closedAt: noon, ttl: 1 }))).toEqual(['message.received']);
    expect(publishedBy(undefined, batch({ closedAt: noon }))).toEqual(['message.received']);
    expect(publishedBy(batch({ closedAt: noon }), batch({ closedAt: noon, ttl: 2 }))).toEqual([]);
    const [event] = eventsOf(batch(), batch({ closedAt: noon }), record);
    expect(event).toMatchObject({ chat: '79991234567', accountId, content: 'inb_01KAFXR2M6B8V4N3T7Q9Z5W1HC' });
    expect(JSON.stringify(event)).not.toContain('Sunday');
    expect(event?.about).toMatchObject({
      data: { accountId, from: '79991234567', messages: [{ id: '3A01', type: 'text', text: null }, { id: '3A02' }] },
    });
  });

  it('publishes somebody known by LID alone by an address that nobody takes for a number', () => {
    const lid = '555000000000001';
    const [received] = eventsOf(
      batch(),
      batch({ closedAt: noon, from: lid, fromLid: lid, chat: `lid:${lid}` }),
      record,
    );
    expect(received?.about).toMatchObject({ data: { from: 'lid:555000000000001', fromLid: '555000000000001' } });
    const suppression = { type: 'suppression', sk: `S#1795176000000#lid:${lid}`, tenantId, lid, reason: 'x', at: noon };
    expect(eventsOf(undefined, { ...suppression, source: 'inbound' }, record)).toMatchObject([
      { about: { data: { suppression: { phoneNumber: 'lid:555000000000001', lid: '555000000000001' } } } },
    ]);
    const data = { accountId, fromLid: lid, messages: [] };
    expect(receivedAsPrinted({ ...data, from: lid })).toEqual({ ...data, from: 'lid:555000000000001' });
    expect(receivedAsPrinted({ ...data, from: '79991234567' })).toEqual({ ...data, from: '79991234567' });
  });

  it('publishes an opt-out and its end', () => {
    const suppression = {
      type: 'suppression',
      pk: `T#${tenantId}`,
      sk: 'S#1795176000000#79991234567',
      tenantId,
      phoneNumber: '79991234567',
      reason: 'The person asked for no more messages.',
      source: 'inbound',
      at: noon,
    };
    expect(eventsOf(undefined, suppression, record)).toMatchObject([
      { type: 'suppression.created', about: { data: { suppression: { phoneNumber: '79991234567' } } } },
    ]);
    expect(publishedBy(suppression, { ...suppression, lid: '555000000000001' })).toEqual([]);
    expect(publishedBy(suppression, undefined)).toEqual(['suppression.deleted']);
  });

  it('publishes that an endpoint was switched off by us, without its secrets', () => {
    const endpoint = (more: Image = {}): Image => ({
      type: 'endpoint',
      id: 'whk_01KAFXR2M6B8V4N3T7Q9Z5W1HC',
      tenantId,
      name: 'Shop',
      url: 'https://shop.example/hook',
      events: ['message'],
      ordered: false,
      active: true,
      secrets: [{ secret: 'whsec_c2VjcmV0' }],
      createdAt: noon,
      ...more,
    });
    const off = endpoint({ active: false, disabledReason: 'failing', disabledAt: noon });
    expect(publishedBy(endpoint(), endpoint({ active: false }))).toEqual([]);
    const [event] = eventsOf(endpoint(), off, record);
    expect(event).toMatchObject({
      type: 'webhook.disabled',
      about: { data: { webhook: { name: 'Shop', disabledReason: 'failing' } } },
    });
    expect(JSON.stringify(event)).not.toContain('c2VjcmV0');
    expect(publishedBy(off, endpoint({ active: true }))).toEqual([]);
  });

  it.each(['accountHot', 'host', 'counter', 'event', 'delivery', 'endpointHealth', 'text', 'recipient', 'audit'])(
    'publishes nothing of the item %s',
    (type) => {
      expect(publishedBy({ type, n: 1 }, { type, n: 2 })).toEqual([]);
      expect(publishedBy(undefined, { type })).toEqual([]);
    },
  );
});

describe('types', () => {
  it('belong to their groups, and selectors name a group or a type', () => {
    for (const type of eventTypes) expect(eventGroups).toContain(type.split('.')[0]);
    expect(matchesType('message', 'message.sent')).toBe(true);
    expect(matchesType('message.sent', 'message.sent')).toBe(true);
    expect(matchesType('message.sent', 'message.read')).toBe(false);
    expect(matchesType('mess', 'message.sent')).toBe(false);
    expect(matchesType('account', 'message.sent')).toBe(false);
  });
});
