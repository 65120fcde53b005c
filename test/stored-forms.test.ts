import type { SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { expect, expectTypeOf, it } from 'vitest';
import { encodeCursor } from '../functions/api/http/cursor.ts';
import { toRequest } from '../functions/feed/handler.ts';
import type { WebhookDeps } from '../functions/webhook/deps.ts';
import { serveDeliveries } from '../functions/webhook/handler.ts';
import { requestFeed } from '../lib/aws/accounts/feed-queue.ts';
import { receiveFromLane, sendToLane } from '../lib/aws/accounts/lanes.ts';
import { putBack } from '../lib/aws/contracts/import-lock.ts';
import { addPages } from '../lib/aws/contracts/page-lists.ts';
import { exportKey, pageKey, rowSetName, uploadKey } from '../lib/aws/contracts/pages.ts';
import type { Deps } from '../lib/aws/deps.ts';
import { sendNote, takeNotes } from '../lib/aws/hosts/hosts.ts';
import { finder, keys, queuedAttribute } from '../lib/aws/keys.ts';
import { contentIn, contentWrite } from '../lib/aws/messages/contents.ts';
import { messageItem, toMessage } from '../lib/aws/messages/messages.ts';
import { hashKey } from '../lib/aws/tenants/api-keys.ts';
import { openAnswer } from '../lib/aws/tenants/idempotency.ts';
import { messageOf, sendingKey } from '../lib/aws/webhooks/deliveries.ts';
import { deliveryQueue } from '../lib/aws/webhooks/delivery-queue.ts';
import { connectionEventKinds, decodeEvents, encodeEvents } from '../lib/domain/accounts/connection-events.ts';
import { textContent } from '../lib/domain/content.ts';
import { contractStates, openRangesOf } from '../lib/domain/contracts/contract.ts';
import { type PageEntry, type PageRow, readStoredRow, rowsOf, storedRow } from '../lib/domain/contracts/pages.ts';
import { eventTypes, sequenceRank, unbuiltTypes } from '../lib/domain/events/events.ts';
import {
  contractIdKey,
  derivedId,
  derivedMessageId,
  messageId,
  newId,
  recipientGroup,
  ulidTime,
  whatsappId,
} from '../lib/domain/ids.ts';
import { inboundTypes } from '../lib/domain/inbound/inbound.ts';
import { type Message, type MessageSource, messageErrorCodes, messageStates } from '../lib/domain/messages/message.ts';
import { suppressionSources } from '../lib/domain/people/suppression.ts';
import { type Delivery, deliveryId } from '../lib/domain/webhooks/delivery.ts';
import { groupOf } from '../lib/domain/webhooks/endpoint.ts';
import { decodeObject, decodeValue, encodeObject, encodeValue } from '../socket-host/auth/encoding.ts';
import { firstOfRun, numberOfKey, runKey, segmentKey, snapshotKey } from '../socket-host/auth/object-keys.ts';

/*
 * What is stored today is read by every later version: keys, ranks, names of objects, bytes. Each form stands here as a literal. Who changes
 * one of them adds a reader for the old form first, keeps the old literal as something that is still read, and adds the new one.
 */

/** 2026-11-20T12:00:00Z. */
const noon = 1_795_176_000_000;

it('keys of items', () => {
  const forms: { [K in keyof typeof keys]: [string, string] } = {
    tenant: ['T#ten_1', 'T'],
    tenantSecret: ['T#ten_1', 'SECRET'],
    tenantRef: ['TENANTS', 'ten_1'],
    plan: ['PLANS', 'pln_1'],
    apiKey: ['T#ten_1', 'K#key_1'],
    keyHash: ['KEY#ab12', 'KEY'],
    audit: ['T#ten_1#AUD#2026-11', 'aud_1'],
    idempotency: ['T#ten_1#IDEM', 'ab12'],
    account: ['T#ten_1#A#acc_1', 'A'],
    accountHot: ['T#ten_1#A#acc_1', 'O'],
    accountRef: ['T#ten_1', 'A#acc_1'],
    deleted: ['T#ten_1#A#acc_1', 'DELETED'],
    running: ['T#ten_1#A#acc_1', 'RUN#con_1'],
    paused: ['T#ten_1#A#acc_1', 'PAUSED#con_1'],
    contract: ['T#ten_1', 'C#con_1'],
    startAt: ['T#ten_1#C#con_1', 'START'],
    job: ['T#ten_1#C#con_1', 'JOB'],
    importDue: ['T#ten_1#C#con_1', 'IMPORT'],
    importLock: ['T#ten_1#IMPORTS', 'TURN'],
    pageList: ['T#ten_1#C#con_1', 'PAGES#00007'],
    counter: ['T#ten_1#C#con_1', 'CNT#acc_1'],
    backlog: ['T#ten_1#C#con_1', 'DUE#001795176000000#msg_1'],
    message: ['T#ten_1#M#msg_1', 'M'],
    text: ['T#ten_1#M#msg_1', 'X'],
    recipient: ['T#ten_1#R#79991000001', 'R'],
    wrote: ['T#ten_1#R#79991000001', 'W'],
    connectionEvents: ['T#ten_1#A#acc_1', 'EVENTS'],
    inbound: ['T#ten_1#A#acc_1', 'IN#3A01'],
    inboundBatch: ['T#ten_1#A#acc_1', 'INB#inb_1'],
    confirmation: ['T#ten_1#A#acc_1', 'CONFIRM#79991000001'],
    suppression: ['T#ten_1', 'S#1795176000000#lid:555'],
    endpoint: ['T#ten_1', 'W#whk_1'],
    endpointName: ['T#ten_1', 'WN#orders'],
    endpointHealth: ['T#ten_1#W#whk_1', 'H'],
    delivery: ['T#ten_1#W#whk_1', 'D#1795176000000#dlv_1'],
    deliverySequence: ['T#ten_1#W#whk_1', 'L#79991000001#1795176000000#09#dlv_1'],
    event: ['T#ten_1#EV#2026-11-20', '1795176000000#evt_1'],
    host: ['HOSTS', 'hst_1'],
    clientVersion: ['CLIENT', 'VERSION'],
  };
  const made = Object.fromEntries(
    Object.entries({
      tenant: keys.tenant('ten_1'),
      tenantSecret: keys.tenantSecret('ten_1'),
      tenantRef: keys.tenantRef('ten_1'),
      plan: keys.plan('pln_1'),
      apiKey: keys.apiKey('ten_1', 'key_1'),
      keyHash: keys.keyHash('ab12'),
      audit: keys.audit('ten_1', '2026-11', 'aud_1'),
      idempotency: keys.idempotency('ten_1', 'ab12'),
      account: keys.account('ten_1', 'acc_1'),
      accountHot: keys.accountHot('ten_1', 'acc_1'),
      accountRef: keys.accountRef('ten_1', 'acc_1'),
      deleted: keys.deleted('ten_1', 'acc_1'),
      running: keys.running('ten_1', 'acc_1', 'con_1'),
      paused: keys.paused('ten_1', 'acc_1', 'con_1'),
      contract: keys.contract('ten_1', 'con_1'),
      startAt: keys.startAt('ten_1', 'con_1'),
      job: keys.job('ten_1', 'con_1'),
      importDue: keys.importDue('ten_1', 'con_1'),
      importLock: keys.importLock('ten_1'),
      pageList: keys.pageList('ten_1', 'con_1', 7),
      counter: keys.counter('ten_1', 'con_1', 'acc_1'),
      backlog: keys.backlog('ten_1', 'con_1', noon, 'msg_1'),
      message: keys.message('ten_1', 'msg_1'),
      text: keys.text('ten_1', 'msg_1'),
      recipient: keys.recipient('ten_1', '79991000001'),
      wrote: keys.wrote('ten_1', '79991000001'),
      connectionEvents: keys.connectionEvents('ten_1', 'acc_1'),
      inbound: keys.inbound('ten_1', 'acc_1', '3A01'),
      inboundBatch: keys.inboundBatch('ten_1', 'acc_1', 'inb_1'),
      confirmation: keys.confirmation('ten_1', 'acc_1', '79991000001'),
      suppression: keys.suppression('ten_1', noon, 'lid:555'),
      endpoint: keys.endpoint('ten_1', 'whk_1'),
      endpointName: keys.endpointName('ten_1', 'orders'),
      endpointHealth: keys.endpointHealth('ten_1', 'whk_1'),
      delivery: keys.delivery('ten_1', 'whk_1', noon, 'dlv_1'),
      deliverySequence: keys.deliverySequence('ten_1', 'whk_1', '79991000001', { at: noon, rank: 9, id: 'dlv_1' }),
      event: keys.event('ten_1', noon, 'evt_1'),
      host: keys.host('hst_1'),
      clientVersion: keys.clientVersion(),
    } satisfies { [K in keyof typeof keys]: { pk: string; sk: string } }).map(([name, { pk, sk }]) => [name, [pk, sk]]),
  );
  expect(made).toEqual(forms);
});

it('values of the index, and names of counts', () => {
  expect({ ...finder, ownedBy: finder.ownedBy('hst_1') }).toEqual({
    index: 'finder',
    unowned: 'unowned',
    running: 'running',
    paused: 'paused',
    start: 'start',
    job: 'job',
    import: 'import',
    deleted: 'deleted',
    inbox: 'inbox',
    deliveries: [
      'delivery#0',
      'delivery#1',
      'delivery#2',
      'delivery#3',
      'delivery#4',
      'delivery#5',
      'delivery#6',
      'delivery#7',
    ],
    ownedBy: 'host#hst_1',
  });
  expect(queuedAttribute).toEqual({ express: 'queuedExpress', bulk: 'queuedBulk' });
});

it('ranks of event types in the line of a chat: a new type takes an unused number and changes no other', () => {
  expect(Object.fromEntries(eventTypes.map((type) => [type, sequenceRank(type)]))).toEqual({
    'account.created': 0,
    'account.connected': 1,
    'account.disconnected': 2,
    'account.qr': 3,
    'account.pairing_code': 4,
    'account.logged_out': 5,
    'account.restricted': 6,
    'account.banned': 7,
    'account.deleted': 8,
    'message.queued': 9,
    'message.sent': 10,
    'message.delivered': 11,
    'message.read': 12,
    'message.failed': 13,
    'message.received': 14,
    'message.suppressed': 15,
    'message.canceled': 16,
    'contract.started': 18,
    'contract.progress': 19,
    'contract.paused': 20,
    'contract.resumed': 21,
    'contract.completed': 22,
    'contract.canceled': 23,
    'contract.failed': 24,
    'import.completed': 25,
    'import.failed': 26,
    'suppression.created': 27,
    'suppression.deleted': 28,
    'webhook.disabled': 38,
    'webhook.test': 39,
  });
  // Hosts of earlier versions told it.
  expect(sequenceRank('message.expired')).toBe(17);
  expect(unbuiltTypes).toEqual({
    'message.expired': 17,
    'proxy.assigned': 29,
    'proxy.rotated': 30,
    'proxy.disabled': 31,
    'proxy.recovered': 32,
    'proxy.exit_changed': 33,
    'proxy.shared_exit': 34,
    'proxy.quota_warning': 35,
    'proxy.quota_exceeded': 36,
    'proxy.drift': 37,
    'health.degraded': 40,
    'health.recovered': 41,
    'system.rate_limit': 42,
    'system.circuit_break': 43,
    'system.error': 44,
  });
});

it('words that items hold', () => {
  expect(messageStates).toEqual(
    'PENDING QUEUED SENDING SENT DELIVERED READ FAILED CANCELED SUPPRESSED EXPIRED'.split(' '),
  );
  expect(contractStates).toEqual('IMPORTING PENDING IN_PROGRESS PAUSED COMPLETED CANCELED FAILED DELETED'.split(' '));
  expect(suppressionSources).toEqual(['inbound', 'api', 'import']);
  const errors =
    'NOT_ON_WHATSAPP INVALID_NUMBER REACHOUT_RESTRICTED RATE_LIMITED REJECTED OUTCOME_UNKNOWN CRASHED_HOST OPTED_OUT';
  expectTypeOf<MessageSource>().toEqualTypeOf<'contract' | 'single' | 'trigger' | 'reminder'>();
  for (const code of errors.split(' ')) expect(messageErrorCodes).toContain(code);
  const kinds = 'text image video audio document sticker location contact reaction edit delete other';
  for (const type of kinds.split(' ')) expect(inboundTypes).toContain(type);
});

it('ids that are derived, and ids that tell their time', () => {
  expect(messageId('con_1', 0)).toBe('msg_344F30FADA65882B98');
  expect(contractIdKey(new Uint8Array(32).fill(7), 'con_01M8PMQKKVP7NQ2Q6AFTEGSBAC')).toBe(
    '4fe63679c43fd3db3defe4bafcbbc1ede809ace2e7ada10a61026f8d1f9f0fb6',
  );
  expect(derivedMessageId('opt-out#acc_1#3A01')).toMatch(/^msg_[0-9A-F]{18}$/);
  expect(whatsappId('msg_344F30FADA65882B98')).toBe('3EB0344F30FADA65882B98');
  expect(derivedId('evt', 'a', 'b')).toBe('evt_0HSYYBE0TCJAPSCX6P0C24TEKP');
  expect(newId('con', noon, (n) => new Uint8Array(n).fill(9))).toBe('con_01M7WD7TG0144GJ289144GJ289');
  expect(ulidTime(noon)).toBe('01M7WD7TG0');
  expect(deliveryId(noon, 'evt_1', 'whk_1')).toBe('dlv_01M7WD7TG0W7FAJ57A4PZGTE4Z');
  expect(deliveryId(noon, 'evt_1', 'whk_1', 'r')).toBe('dlv_01M7WD7TG0HPKZA1EJA4CAWB1C');
  // printf secret | sha256sum
  expect(hashKey('secret')).toBe('2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b');
});

it('groups of queues, by which an order is kept while versions change', () => {
  expect(recipientGroup('79991000001')).toBe('14a5e903aba1b0f1917f3ee8dacb51de');
  expect(groupOf({}, { eventId: 'evt_1' })).toBe(1);
  expect(groupOf({}, { eventId: 'evt_1', chat: '79991000001' })).toBe(0);
  expect(groupOf({ rateLimitPerSec: 1 }, { eventId: 'evt_1' })).toBe(0);
});

/** A queue that keeps what is sent, and gives each receiver these bodies. */
function queueWith(...bodies: string[]) {
  const sent: unknown[] = [];
  const sqs = {
    async send({ input }: { input: { QueueUrl: string; Entries?: unknown[]; MessageBody?: string } }) {
      if (input.Entries !== undefined) sent.push(...input.Entries);
      else if (input.MessageBody !== undefined) sent.push(input);
      return { Messages: bodies.map((Body, index) => ({ Body, ReceiptHandle: String(index) })) };
    },
  } as unknown as SQSClient;
  return { sqs, sent };
}

it('bodies of the lanes', async () => {
  const body = '{"t":"ten_1","a":"acc_1","m":"msg_1","c":"con_1","seq":2}';
  const { sqs, sent } = queueWith(body);
  const message = { id: 'msg_1', tenantId: 'ten_1', accountId: 'acc_1', contractId: 'con_1', to: '79991000001' };
  await sendToLane(sqs, 'lane', [{ ...message, feedSeq: 2 } as Message]);
  expect(sent).toEqual([
    {
      Id: '0',
      MessageBody: body,
      MessageGroupId: '14a5e903aba1b0f1917f3ee8dacb51de',
      MessageDeduplicationId: 'msg_1#2',
    },
  ]);
  expect(await receiveFromLane(sqs, 'lane', { max: 10, waitSec: 0 })).toEqual([
    { entry: { t: 'ten_1', a: 'acc_1', m: 'msg_1', c: 'con_1', seq: 2 }, receipt: '0' },
  ]);
});

it('an entry of a message without a contract', async () => {
  const body = '{"t":"ten_1","a":"acc_1","m":"msg_1","seq":1}';
  const { sqs, sent } = queueWith(body);
  const message = { id: 'msg_1', tenantId: 'ten_1', accountId: 'acc_1', to: '79991000001', feedSeq: 1 };
  await sendToLane(sqs, 'lane', [message as Message]);
  expect(sent).toMatchObject([{ MessageBody: body }]);
  const [received] = await receiveFromLane(sqs, 'lane', { max: 10, waitSec: 0 });
  expect(received?.entry).toEqual({ t: 'ten_1', a: 'acc_1', m: 'msg_1', seq: 1 });
});

it('messages: one of a contract is told by its contractId, any other by source and sourceId', () => {
  const same = { id: 'msg_1', tenantId: 'ten_1', accountId: 'acc_1', to: '79991000001', lane: 'bulk' as const };
  const common = { ...same, state: 'QUEUED' as const, feedSeq: 1, attempts: 0, createdAt: noon };
  const place = { pk: 'T#ten_1#M#msg_1', sk: 'M', type: 'message' };
  const row = { ...place, ...common, contractId: 'con_1', row: 7 };
  const ofRow = { ...common, source: 'contract' as const, sourceId: 'con_1', contractId: 'con_1', row: 7 };
  const own = { ...common, source: 'single' as const, sourceId: 'msg_1' };
  expect(messageItem(ofRow)).toEqual(row);
  expect(toMessage(row)).toEqual(ofRow);
  expect(messageItem(own)).toEqual({ ...place, ...own });
  expect(toMessage({ ...place, ...own })).toEqual(own);
});

it('bodies of the feed queue', async () => {
  const about = { tenantId: 'ten_1', accountId: 'acc_1' };
  const walked = { found: { express: 1, bulk: 2 }, counted: { express: 3, bulk: 4 } };
  const cursor = { contractId: 'con_1', row: 500, ...walked, lastActivity: noon };
  const requests = [
    { kind: 'feed' as const, ...about },
    { kind: 'refeed' as const, ...about, cursor },
    { kind: 'recall' as const, ...about, cursor },
    { kind: 'job' as const, ...about, contractId: 'con_1' },
    { kind: 'remove' as const, ...about },
  ];
  const walk =
    '"cursor":{"contractId":"con_1","row":500,"found":{"express":1,"bulk":2},"counted":{"express":3,"bulk":4},"lastActivity":1795176000000}}';
  const bodies = [
    '{"kind":"feed","tenantId":"ten_1","accountId":"acc_1"}',
    `{"kind":"refeed","tenantId":"ten_1","accountId":"acc_1",${walk}`,
    `{"kind":"recall","tenantId":"ten_1","accountId":"acc_1",${walk}`,
    '{"kind":"job","tenantId":"ten_1","accountId":"acc_1","contractId":"con_1"}',
    '{"kind":"remove","tenantId":"ten_1","accountId":"acc_1"}',
  ];
  const { sqs, sent } = queueWith();
  for (const request of requests) await requestFeed(sqs, 'feed', request);
  expect(sent).toEqual(
    bodies.map((MessageBody) => ({
      QueueUrl: 'feed',
      MessageBody,
      MessageGroupId: 'acc_1',
      MessageDeduplicationId: expect.any(String),
    })),
  );
  expect(bodies.map((body) => toRequest(JSON.parse(body)))).toEqual(requests);
});

it('bodies of a host’s wake queue', async () => {
  const { sqs, sent } = queueWith('{"t":"ten_1","a":"acc_1"}');
  await sendNote(sqs, 'wake', { t: 'ten_1', a: 'acc_1' });
  expect(sent).toEqual([{ QueueUrl: 'wake', MessageBody: '{"t":"ten_1","a":"acc_1"}' }]);
  expect(await takeNotes(sqs, 'wake', new AbortController().signal)).toEqual([{ t: 'ten_1', a: 'acc_1' }]);
});

it('bodies of the two queues of deliveries', async () => {
  const delivery = {
    tenantId: 'ten_1',
    endpointId: 'whk_1',
    id: 'dlv_1',
    at: noon,
    eventId: 'evt_1',
    eventAt: noon - 5,
  };
  const message = messageOf({ ...delivery, nextAttemptAt: noon + 7, line: '79991000001' } as Delivery, {});
  const asked = { t: 'ten_1', w: 'whk_1', since: noon - 9, until: noon, onlyFailed: true, at: noon };
  const bodies = [
    '{"t":"ten_1","w":"whk_1","id":"dlv_1","at":1795176000000,"e":"evt_1","ea":1795175999995,"due":1795176000007,"group":"0"}',
    '{"t":"ten_1","w":"whk_1","id":"dlv_1","at":1795176000000,"e":"evt_1","ea":1795175999995,"due":1795176000007,"group":"0","tries":1}',
    '{"replay":"rpl_1","t":"ten_1","w":"whk_1","since":1795175999991,"until":1795176000000,"onlyFailed":true,"at":1795176000000,"after":"1#evt_0"}',
  ];
  const { sqs, sent } = queueWith();
  const queue = deliveryQueue(sqs, { dueUrl: 'due', laterUrl: 'later' });
  await queue.send([
    { message, key: sendingKey(message) },
    { message: { ...message, tries: 1 }, key: sendingKey({ ...message, tries: 1 }) },
    { message: { replay: 'rpl_1', ...asked, after: '1#evt_0' }, key: 'rpl_1#1#evt_0' },
  ]);
  await queue.later(message, 1_500);
  expect(sent).toEqual([
    ...[
      ['whk_1#0', 'dlv_1#1795176000007#0'],
      ['whk_1#0', 'dlv_1#1795176000007#1'],
      ['whk_1#replay', 'rpl_1#1#evt_0'],
    ].map(([MessageGroupId, MessageDeduplicationId], index) => ({
      Id: String(index),
      MessageBody: bodies[index],
      MessageGroupId,
      MessageDeduplicationId,
    })),
    { QueueUrl: 'later', MessageBody: bodies[0], DelaySeconds: 2 },
  ]);
  // What waited goes into the queue of those that are due as it was.
  const forwarded: unknown[] = [];
  const deps = {
    clock: { nowMs: () => noon + 7 },
    deliveries: { send: async (messages: unknown[]) => void forwarded.push(...messages) },
  } as unknown as WebhookDeps;
  const Records = bodies.slice(0, 2).map((body) => ({ body, messageId: '1', attributes: {} }) as SQSRecord);
  expect(await serveDeliveries({ Records }, deps, noon + 60_000)).toEqual({ batchItemFailures: [] });
  expect(forwarded).toEqual([
    { message, key: 'dlv_1#1795176000007#0' },
    { message: { ...message, tries: 1 }, key: 'dlv_1#1795176000007#1' },
  ]);
});

it('bodies of the import queue: a note of S3, put back', async () => {
  const { sqs, sent } = queueWith();
  const deps = { sqs, config: { IMPORT_QUEUE_URL: 'import' } } as unknown as Pick<Deps, 'sqs' | 'config'>;
  await putBack(deps, { s3: { object: { key: 'imports/ten_1/con_1/imp_1.csv' } } }, 1);
  expect(sent).toEqual([
    {
      QueueUrl: 'import',
      MessageBody: '{"Records":[{"s3":{"object":{"key":"imports/ten_1/con_1/imp_1.csv"}}}],"waits":2}',
      DelaySeconds: 20,
    },
  ]);
});

it('lines of pages, and content items', () => {
  const rows: [PageRow, string][] = [
    [{ to: '79991000001', content: { type: 'text', text: 'Hello' } }, '{"to":"79991000001","text":"Hello"}'],
    [
      { to: 'abc', content: { type: 'text', text: 'Hello' }, externalId: 'e-1', skip: 'INVALID_NUMBER' },
      '{"to":"abc","text":"Hello","externalId":"e-1","skip":"INVALID_NUMBER"}',
    ],
    [
      { to: '1', content: { type: 'text', text: 'Hello' }, skip: 'SUPPRESSED' },
      '{"to":"1","text":"Hello","skip":"SUPPRESSED"}',
    ],
  ];
  for (const [row, line] of rows) {
    expect(JSON.stringify(storedRow(row))).toBe(line);
    expect(readStoredRow(JSON.parse(line))).toEqual(row);
  }
  const item = { pk: 'T#ten_1#M#msg_1', sk: 'X', type: 'text', text: 'Hello', ttl: 1_796_472_000 };
  expect(contentWrite('ten_1', 'msg_1', textContent('Hello'), noon)).toEqual({ put: item });
  expect(contentIn(item)).toEqual({ type: 'text', text: 'Hello' });
});

it('what a contract says of its pages: those of earlier releases stand on it, others in lists', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((key) => ({ key, rows: 500 }));
  const of = (...pages: PageEntry[]) => ({ tenantId: 'ten_1', id: 'con_1', pages });
  if (a === undefined || b === undefined || c === undefined) throw new Error('three pages');
  const place = { pk: 'T#ten_1#C#con_1', type: 'pageList' };
  expect(addPages(of(), [a])).toEqual({ pages: [{ key: 'a', rows: 500 }] });
  const list = { put: { ...place, sk: 'PAGES#00000', pages: [a, b] } };
  expect(addPages(of(), [a, b])).toEqual({ pages: [{ lists: 1, pages: 2, rows: 1000 }], list });
  expect(addPages(of(a), [b])).toEqual({ pages: [{ lists: 1, pages: 2, rows: 1000 }], list });
  const lists = { lists: 1, pages: 2, rows: 1000 };
  expect(addPages(of(lists), [c])).toEqual({ pages: [lists, c] });
  expect(addPages(of(lists, c), [a])).toEqual({
    pages: [{ lists: 2, pages: 4, rows: 2000 }],
    list: { put: { ...place, sk: 'PAGES#00001', pages: [c, a] } },
  });
  expect([rowsOf(of(lists, c)), rowsOf(of(a, b, c)), rowsOf(of())]).toEqual([1500, 1500, 0]);
});

it('open ranges: on the contract by earlier releases, on the counter of the account', () => {
  const contract = { accountIds: ['acc_1'], openFrom: 50, nextRow: 50 };
  const counter = { sent: 1, delivered: 0, read: 0, failed: 0, canceled: 0, suppressed: 0, expired: 0, backlog: 0 };
  expect(openRangesOf(contract, [counter])).toEqual([]);
  const onContract = { accountId: 'acc_1', from: 40, to: 50, on: 'contract' };
  expect(openRangesOf({ ...contract, openFrom: 40 }, [counter])).toEqual([onContract]);
  const onCounter = { accountId: 'acc_1', from: 30, to: 35, on: 'counter' };
  const open = { ...counter, fed: 12, openFrom: 30, openTo: 35 };
  expect(openRangesOf(contract, [open])).toEqual([onCounter]);
  expect(openRangesOf({ ...contract, openFrom: 40 }, [open])).toEqual([onContract, onCounter]);
});

it('names of objects', () => {
  expect(pageKey('ten_1', 'con_1', 'B', 3)).toBe('pages/ten_1/con_1/B-00003.ndjson');
  const [skipped, row] = [
    { to: '1', content: textContent('x'), skip: 'SUPPRESSED' as const },
    { to: '1', content: textContent('x') },
  ];
  // A contract names its pages, those of earlier versions (`R`, `R-<hash>`) too. printf '1\n' | sha256sum
  expect(rowSetName('R', [row])).toBe('R-4355a46b19d348dc');
  expect(rowSetName('R', [skipped, row])).toBe('R-7e41a4560fb163bb');
  // The same request, in which an ambiguous number is read as another person: another page.
  expect(rowSetName('R', [{ ...row, to: '2' }])).toBe('R-53c234e5e8472b6a');
  expect(uploadKey('ten_1', 'con_1', 'imp_1', 'csv')).toBe('imports/ten_1/con_1/imp_1.csv');
  expect(exportKey('ten_1', 'con_1', 'req_1')).toBe('exports/ten_1/con_1/req_1.csv');
  const names = [segmentKey('ten_1/acc_1/', 7), runKey('ten_1/acc_1/', 1, 64), snapshotKey('ten_1/acc_1/', 64)];
  expect(names).toEqual([
    'ten_1/acc_1/log/000000000007',
    'ten_1/acc_1/run/000000000001-000000000064',
    'ten_1/acc_1/snap/000000000064',
  ]);
  expect(names.map(numberOfKey)).toEqual([7, 64, 64]);
  expect(firstOfRun(names[1] ?? '')).toBe(1);
});

it('events of a connection, as bytes: a kind is its place in the list', () => {
  expect(connectionEventKinds.slice(0, 11)).toEqual(
    'opened closed released check check_failed sent error_ack unanswered not_sent delivered query_failed'.split(' '),
  );
  const bytes = '010080a89f8dbf680005e807ac020ab717ffffff07';
  const events = [
    { at: noon, kind: 'opened' as const, value: 0 },
    { at: noon + 500, kind: 'sent' as const, value: 300 },
    { at: noon - 1000, kind: 'query_failed' as const, value: 16_777_215 },
  ];
  expect(Buffer.from(encodeEvents(events)).toString('hex')).toBe(bytes);
  expect(decodeEvents(Buffer.from(bytes, 'hex'))).toEqual(events);
});

it('objects with an account’s keys, and the keys in them', async () => {
  const bytes =
    '5043415502e70612b7862d4725b0c8e58767896165b7ec03fb01db109316f0af99d5037630000000777b226b696e64223a226b657973222c226b6579223a2274656e5f312f' +
    '6163635f312f6c6f672f303030303030303030303037222c226e756d626572223a372c2265706f6368223a332c22686f7374223a226873745f31222c226e6f6e6365223a' +
    '226e222c226174223a313739353137363030303030307d63602f4e2d2ececccf63e035b7b4b434340001433d030606066646266606b834d3e195ffffffff0f00';
  const header = {
    kind: 'keys' as const,
    key: 'ten_1/acc_1/log/000000000007',
    number: 7,
    epoch: 3,
    host: 'hst_1',
    nonce: 'n',
    at: noon,
  };
  const records = [
    { type: 'session', id: '79991000001.0', value: Uint8Array.of(1, 2, 3) },
    { type: 'session', id: 'é', value: undefined },
  ];
  const opened = await decodeObject(header.key, Buffer.from(bytes, 'hex'));
  expect(opened.header).toEqual(header);
  expect(opened.records.map((one) => ({ ...one, value: one.value && Uint8Array.from(one.value) }))).toEqual(records);
  // What is deflated differs between versions of zlib; magic and version do not.
  expect((await encodeObject(header, records)).subarray(0, 5).toString('hex')).toBe('5043415502');
  const value = '{"a":{"type":"Buffer","data":"AQI="},"b":"x"}';
  expect(encodeValue({ a: Uint8Array.of(1, 2), b: 'x' }).toString()).toBe(value);
  expect(decodeValue(Buffer.from(value))).toEqual({ a: Buffer.from([1, 2]), b: 'x' });
});

it('cursors, and answers kept for an Idempotency-Key', () => {
  expect(encodeCursor('contracts', { b: 'con_1' })).toBe('eyJsIjoiY29udHJhY3RzIiwiYiI6ImNvbl8xIn0');
  const sealed = 'AQEBAQEBAQEBAQEBoMgwTSjsfamS3VAQwiYCT6c7X6QFDJka8JOnig5mjwwnoldlrKZxm8L6nH66gQ==';
  expect(new TextDecoder().decode(openAnswer(Buffer.from(sealed, 'base64'), 'paceline'))).toBe('{"id":"x"}');
});
