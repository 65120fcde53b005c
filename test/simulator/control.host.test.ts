import { expect, test } from 'vitest';
import { get, linkAndLogin, post, simulate } from './client.ts';

const PHONE = '15550200001';

test('a phone is created with defaults, and creating it again changes only what is said', async () => {
  const simulator = await simulate();

  const created = await post(simulator, '/phones', { number: PHONE, behaviour: { delayMs: 20 } });
  const changed = await post(simulator, '/phones', { number: PHONE, name: 'Ann', behaviour: { read: false } });

  expect(created).toEqual({
    status: 201,
    json: {
      number: PHONE,
      name: 'Phone 0001',
      behaviour: { deliver: true, read: true, delayMs: 20, onWhatsApp: true },
    },
  });
  expect(changed.json).toEqual({
    number: PHONE,
    name: 'Ann',
    behaviour: { deliver: true, read: false, delayMs: 20, onWhatsApp: true },
  });
});

test.each([
  ['/phones', { number: '+15550200001' }, '/number'],
  ['/phones', { number: PHONE, colour: 'red' }, '/'],
  ['/phones', { number: PHONE, behaviour: { delayMs: -1 } }, '/behaviour/delayMs'],
  ['/phones/12ab/scan', { code: 'x' }, undefined],
  [`/phones/${PHONE}/scan`, {}, '/code'],
  [`/phones/${PHONE}/send`, { to: '15550100001', text: '' }, '/text'],
  [`/phones/${PHONE}/send`, { to: '15550100001', text: 'no such account' }, undefined],
  ['/faults', { kind: 'earthquake' }, '/kind'],
  ['/faults', { kind: 'drop', count: 0 }, '/count'],
  ['/faults', { kind: 'ban', account: '15550100001' }, undefined],
])('%s with %o is 422 and changes nothing', async (path, body, at) => {
  const simulator = await simulate();

  const { status, json } = await post(simulator, path, body);

  expect(status).toBe(422);
  expect(json).toMatchObject({ status: 422, title: 'Invalid request', detail: expect.any(String) });
  if (at !== undefined) expect(json).toMatchObject({ errors: [{ path: at }] });
  expect(await get(simulator, '/accounts')).toEqual([]);
  expect(await get(simulator, `/phones/${PHONE}/messages`)).toEqual([]);
});

test('what is not JSON is 400, an unknown path 404, an unknown method 405, each with a problem document', async () => {
  const simulator = await simulate();

  const malformed = await fetch(`${simulator.url}/phones`, { method: 'POST', body: '{' });
  const unknown = await fetch(`${simulator.url}/nothing`);
  const method = await fetch(`${simulator.url}/totals`, { method: 'PUT' });

  expect([malformed.status, unknown.status, method.status]).toEqual([400, 404, 405]);
  expect(malformed.headers.get('content-type')).toBe('application/problem+json');
  expect(await malformed.json()).toMatchObject({ code: 'MALFORMED_JSON', detail: 'The body is not JSON.' });
});

test('asking for the messages of a number that nobody knows does not make a phone of it', async () => {
  const simulator = await simulate();

  expect(await get(simulator, '/phones/15550299999/messages')).toEqual([]);
});

test('the root key is told over HTTP too, and the simulator listens on the loopback only', async () => {
  const simulator = await simulate();

  expect(await get(simulator, '/root-key')).toEqual({
    rootKeyHex: simulator.rootKeyHex,
    whatsappUrl: simulator.whatsappUrl,
  });
  expect(simulator.rootKeyHex).toMatch(/^[0-9a-f]{64}$/);
  expect(simulator.whatsappUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/ws\/chat$/);
});

test('stopping twice is one stop, and ends with connections open', async () => {
  const simulator = await simulate();
  await linkAndLogin(simulator, '15550100001');

  await Promise.all([simulator.stop(), simulator.stop()]);

  await expect(fetch(`${simulator.url}/totals`)).rejects.toThrow();
});

test('a body that is too large is 413, and odd paths are 404: neither harms the server', async () => {
  const simulator = await simulate();

  const large = await fetch(`${simulator.url}/phones`, { method: 'POST', body: 'x'.repeat(1_100_000) });
  const odd = await fetch(`${simulator.url}//%zz/messages`);

  expect([large.status, odd.status]).toEqual([413, 404]);
  expect(await get(simulator, '/accounts')).toEqual([]);
});
