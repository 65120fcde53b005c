import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, gateway } from './gateway.ts';
import { sleep } from './probe.ts';

let g: Gateway;
beforeAll(async () => {
  g = await gateway();
});
afterAll(() => g.cleanUp());

it('links by QR: the code is shown, the credentials are durable before it is told, and the next connection logs in', async () => {
  const number = '4915100000001';
  await g.control('POST', '/phones', { number });
  const store = await g.openStore('acc_qr');
  let durableWhenTold: boolean | undefined;
  const linking = g.connect(
    store,
    {},
    {
      onLinked: () => {
        durableWhenTold = store.registered() && store.pending() === 0;
      },
    },
  );
  await linking.heard('link');
  expect(linking.said.codes[0]).toMatch(/^https:\/\/wa\.me\/settings\/linked_devices#/);
  expect(store.registered()).toBe(false);
  const scan = await g.control('POST', `/phones/${number}/scan`, { code: linking.said.codes[0] });
  expect(scan.status).toBe(200);
  await linking.heard('closed');
  expect(durableWhenTold).toBe(true);
  expect(linking.said.end?.code).toBe(515);

  const session = g.connect(store);
  await session.heard(`open ${number}`);
  await session.heard('drained');
  await session.session.close();
  expect(session.said.events).toEqual([`open ${number}`, 'drained', 'closed']);
  expect(session.said.end).toEqual({ reason: 'unsaid', detail: 'closed by us' });
});

it('shows a new QR code when the first is over, with its number and end, and ends with 408 when nobody scans', async () => {
  const store = await g.openStore('acc_unused');
  const links: { attempt: number; expiresAt: number }[] = [];
  const linking = g.connect(store, { qrTimeoutMs: 60, nowMs: () => 1000 }, { onLink: (link) => links.push(link) });
  await linking.heard('closed');
  expect(links.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(links[0]).toMatchObject({ method: 'qr', expiresAt: 1060 });
  expect(linking.said.end).toEqual({ reason: 'timed_out', code: 408, detail: 'QR refs attempts ended' });
  expect(store.stats.puts).toBe(1);
});

it('links by pairing code and keeps the socket until WhatsApp asks for a restart', async () => {
  const number = '4915100000002';
  await g.control('POST', '/phones', { number });
  const store = await g.openStore('acc_code');
  const linking = g.connect(store);
  const code = await linking.session.requestPairingCode(number);
  expect(code).toMatch(/^[0-9A-Z]{8}$/);
  const entered = await g.control('POST', `/phones/${number}/enter-code`, { code });
  expect(entered.status).toBe(200);
  await linking.heard('closed');
  expect(linking.said.events.filter((event) => event !== 'link')).toEqual([`linked ${number}`, 'closed']);
  expect(linking.said.end?.code).toBe(515);
  const session = g.connect(store);
  await session.heard(`open ${number}`);
  await expect(session.session.requestPairingCode(number)).rejects.toThrow('linked already');
});

it('starts afresh after a pairing code that nobody entered', async () => {
  const number = '4915100000003';
  await g.control('POST', '/phones', { number });
  const store = await g.openStore('acc_again');
  const first = g.connect(store);
  await first.session.requestPairingCode(number);
  await first.session.close();
  expect(store.creds()).toBeUndefined();
  const second = g.connect(store);
  await second.heard('link');
  await g.control('POST', `/phones/${number}/scan`, { code: second.said.codes[0] });
  await second.heard(`linked ${number}`);
});

it('refuses a pairing code once the session has ended', async () => {
  const { session } = g.connect(await g.openStore('acc_over'));
  const code = session.requestPairingCode('4915100000004');
  await session.close();
  await expect(code).rejects.toThrow('the session has ended');
});

it('makes the numbers of new pre-keys durable before it uploads them', async () => {
  const number = '4915100000005';
  await g.control('POST', '/phones', { number });
  const store = await g.openStore('acc_prekeys');
  const linking = g.connect(store);
  await linking.heard('link');
  await g.control('POST', `/phones/${number}/scan`, { code: linking.said.codes[0] });
  await linking.heard('closed');

  const gate = Promise.withResolvers<void>();
  let keysWritten = false;
  g.objects.before = async (key) => {
    if (!key.includes('acc_prekeys')) return;
    // The first write of this login is that of the 812 keys, the second that of the credentials which count them.
    if (keysWritten) await gate.promise;
    keysWritten = true;
  };
  const session = g.connect(store);
  while (!keysWritten) await sleep(5);
  await sleep(300);
  const left = async () => {
    const { body } = await g.control('GET', '/accounts');
    const accounts = body as { number: string; preKeysLeft: number }[];
    return accounts.find((account) => account.number === number)?.preKeysLeft;
  };
  expect(await left()).toBe(0);
  expect(session.said.events).toEqual([]);
  gate.resolve();
  await session.heard(`open ${number}`);
  g.objects.before = async () => {};
  // The phone's first message, its history, may have used one already.
  expect(await left()).toBeGreaterThan(800);
});

it('logs out: the phone no longer knows the device', async () => {
  const number = '4915100000006';
  const { session, said, store, heard } = await g.linked(number);
  await session.logout();
  await heard('closed');
  expect(said.end?.code).toBe(401);
  const again = g.connect(store);
  await again.heard('closed');
  expect(again.said.end?.code).toBe(401);
});

it('tells when the phone demands a passkey, by QR and by pairing code', async () => {
  const number = '4915100000007';
  await g.control('POST', '/phones', { number, behaviour: { passkey: 'required' } });
  const byQr = g.connect(await g.openStore('acc_passkey'));
  await byQr.heard('link');
  expect((await g.control('POST', `/phones/${number}/scan`, { code: byQr.said.codes[0] })).status).toBe(200);
  await byQr.heard('passkey');
  const byCode = g.connect(await g.openStore('acc_passkey_code'));
  const code = await byCode.session.requestPairingCode(number);
  expect((await g.control('POST', `/phones/${number}/enter-code`, { code })).status).toBe(200);
  await byCode.heard('passkey');
});

it.each([400, 429])(
  'shows no pairing code that WhatsApp refuses with %i, and one shown before stays good',
  async (code) => {
    const number = `491510000${code}0`;
    await g.control('POST', '/phones', { number });
    const { session, said, heard } = g.connect(await g.openStore(`acc_refused_${code}`));
    await heard('link');
    const shown = await session.requestPairingCode(number);
    await g.control('POST', '/faults', { kind: 'refuse-code', code, account: number });
    await expect(session.requestPairingCode(number)).rejects.toMatchObject({ name: 'PairingRefused', code });
    expect((await g.control('POST', `/phones/${number}/enter-code`, { code: shown })).status).toBe(200);
    await heard(`linked ${number}`);
    expect(said.events.at(-1)).toBe(`linked ${number}`);
  },
);

it('shows the same reference with a new secret when its registration is renewed, and that code links', async () => {
  const number = '4915100000008';
  await g.control('POST', '/phones', { number });
  const { said, heard } = g.connect(await g.openStore('acc_renewed'));
  await heard('link');
  await g.control('POST', '/faults', { kind: 'renew-registration' });
  while (said.codes.length < 2) await sleep(5);
  const parts = said.codes.map((code) => code.split(','));
  expect(parts.map(({ length }) => length)).toEqual([5, 5]);
  const same = parts[0]?.map((part, i) => part === parts[1]?.[i]);
  expect(same).toEqual([true, true, true, false, true]);
  expect((await g.control('POST', `/phones/${number}/scan`, { code: said.codes[1] })).status).toBe(200);
  await heard(`linked ${number}`);
});
