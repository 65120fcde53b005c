import type { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { closeCode, connect, get, linkAndLogin, login, newAuth, post, simulate, until } from './client.ts';

const PHONE = '15550100001';

test('a device is linked by its QR code, hears 515, and logs in with the same keys', async () => {
  const simulator = await simulate();
  const auth = newAuth();
  const linking = connect(simulator, auth);
  const { qr } = await linking.on('connection.update', (update) => update.qr !== undefined);

  const answer = await post(simulator, `/phones/${PHONE}/scan`, { code: qr });

  expect(answer.status).toBe(200);
  expect(answer.json).toMatchObject({ number: PHONE, jid: `${PHONE}:1@s.whatsapp.net` });
  expect(await closeCode(linking)).toBe(515);
  const client = await login(simulator, auth);
  expect(client.sock.user?.id).toBe(`${PHONE}:1@s.whatsapp.net`);
  expect(await get(simulator, '/accounts')).toMatchObject([
    { number: PHONE, state: 'linked', connected: true, preKeysLeft: expect.any(Number) },
  ]);
  expect(simulator.totals().connections).toBe(1);
});

test('a QR code may be given without the address in front, works once, and never again', async () => {
  const simulator = await simulate();
  const auth = newAuth();
  const linking = connect(simulator, auth);
  const { qr = '' } = await linking.on('connection.update', (update) => update.qr !== undefined);
  const code = qr.slice(qr.indexOf('#') + 1);

  const first = await post(simulator, `/phones/${PHONE}/scan`, { code });
  const second = await post(simulator, `/phones/${PHONE}/scan`, { code });
  const nonsense = await post(simulator, `/phones/${PHONE}/scan`, { code: 'nonsense' });

  expect([first.status, second.status, nonsense.status]).toEqual([200, 422, 422]);
  expect(second.json).toMatchObject({ code: 'LINK_REFUSED', detail: 'This QR code is no longer valid.' });
});

test('a device is linked by a pairing code; a wrong code is refused and the right one still works', async () => {
  const simulator = await simulate();
  const auth = newAuth();
  const linking = connect(simulator, auth);
  await linking.on('connection.update', (update) => update.qr !== undefined);
  const code = await linking.sock.requestPairingCode(PHONE);

  const other = await post(simulator, '/phones/15550100002/enter-code', { code });
  const wrong = await post(simulator, `/phones/${PHONE}/enter-code`, { code: 'AAAAAAAA' });
  const right = await post(simulator, `/phones/${PHONE}/enter-code`, { code: `${code.slice(0, 4)}-${code.slice(4)}` });

  expect(other.json).toMatchObject({ detail: 'No device waits for a pairing code of this number.' });
  expect(wrong.json).toMatchObject({ status: 422, detail: 'This is not the code that the device shows.' });
  expect(right.status).toBe(200);
  expect(await closeCode(linking)).toBe(515);
  const client = await login(simulator, auth);
  expect(client.sock.user?.id).toBe(`${PHONE}:1@s.whatsapp.net`);
});

test('a phone that is not on WhatsApp links nothing', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: PHONE, behaviour: { onWhatsApp: false } });
  const linking = connect(simulator, newAuth());
  const { qr } = await linking.on('connection.update', (update) => update.qr !== undefined);

  const answer = await post(simulator, `/phones/${PHONE}/scan`, { code: qr });

  expect(answer.json).toMatchObject({ status: 422, detail: 'This phone is not on WhatsApp.' });
});

test('after a logout the next login is refused with 401, and the phone can link anew', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, PHONE);

  await client.sock.logout();

  const again = connect(simulator, client.auth);
  expect(await closeCode(again)).toBe(401);
  const relinked = await linkAndLogin(simulator, PHONE);
  expect(relinked.sock.user?.id).toBe(`${PHONE}:2@s.whatsapp.net`);
});

test('a second login of the same device replaces the first, which hears 440', async () => {
  const simulator = await simulate();
  const first = await linkAndLogin(simulator, PHONE);

  await login(simulator, first.auth);

  expect(await closeCode(first)).toBe(440);
  expect(simulator.totals().connections).toBe(1);
});

test('a login with keys that were never linked is refused with 401', async () => {
  const simulator = await simulate();
  const { auth } = await linkAndLogin(simulator, PHONE);
  const stranger = newAuth();
  stranger.creds.me = { ...auth.creds.me, id: `${PHONE}:1@s.whatsapp.net` };

  expect(await closeCode(connect(simulator, stranger))).toBe(401);
});

test.each([400, 429])('a pairing code is refused with %i as ordered, and the next is good', async (code) => {
  const simulator = await simulate();
  const linking = connect(simulator, newAuth());
  await linking.on('connection.update', (update) => update.qr !== undefined);
  await post(simulator, '/faults', { kind: 'refuse-code', code, account: PHONE });
  const answers: (string | undefined)[] = [];
  linking.sock.ws.on('CB:iq,type:error', ({ content }: { content: { attrs: { code: string } }[] }) =>
    answers.push(content[0]?.attrs.code),
  );

  await linking.sock.requestPairingCode(PHONE);
  await until(() => answers.length === 1, 'an answer');
  const pairingCode = await linking.sock.requestPairingCode(PHONE);
  const entered = await post(simulator, `/phones/${PHONE}/enter-code`, { code: pairingCode });

  expect(answers).toEqual([String(code)]);
  expect(entered.status).toBe(200);
});

test('a device hears that its registration is out of date, and that a passkey is wanted of it', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: PHONE, behaviour: { passkey: 'required' } });
  const linking = connect(simulator, newAuth());
  const heard: unknown[] = [];
  linking.sock.ws.on('CB:notification', ({ attrs, content }: { attrs: { type: string }; content: { tag: string }[] }) =>
    heard.push([attrs.type, content[0]?.tag]),
  );
  const { qr } = await linking.on('connection.update', (update) => update.qr !== undefined);

  const renewed = await post(simulator, '/faults', { kind: 'renew-registration' });
  const scanned = await post(simulator, `/phones/${PHONE}/scan`, { code: qr });
  await until(() => heard.length === 2, 'both notices');

  expect(renewed.json).toMatchObject({ applied: 1 });
  expect(scanned).toEqual({ status: 200, json: { number: PHONE, passkey: 'required' } });
  expect(heard).toEqual([
    ['companion_reg_refresh', 'pair-device-rotate-qr'],
    ['passkey_prologue_request', 'passkey_prologue_request'],
  ]);
  expect(await get(simulator, '/accounts')).toEqual([]);
});

test('a last stanza comes before the close: the client has two seconds to close by itself', async () => {
  const simulator = await simulate();
  const linking = connect(simulator, newAuth());
  const { qr } = await linking.on('connection.update', (update) => update.qr !== undefined);
  // A client that is slow to close.
  const socket = linking.sock.ws;
  socket.close = async () => undefined;
  const at = Promise.withResolvers<number>();
  const closedAt = Promise.withResolvers<number>();
  socket.on('CB:stream:error', () => at.resolve(Date.now()));
  const line = (socket as unknown as { socket: EventEmitter }).socket;
  line.once('close', () => closedAt.resolve(Date.now()));

  await post(simulator, `/phones/${PHONE}/scan`, { code: qr });

  const waitedMs = -(await at.promise) + (await closedAt.promise);
  expect(waitedMs).toBeGreaterThan(1_500);
});
