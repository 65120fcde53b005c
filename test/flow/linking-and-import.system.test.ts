import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

interface Account {
  id: string;
  status: string;
  statusReason: string | null;
  phoneNumber: string | null;
}

describe('linking and importing on the whole stack', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.stop());

  const reaches = (id: string, status: string) =>
    until(status, async () => {
      const account = await world.api<Account>('GET', `/v1/accounts/${id}`);
      return account.status === status ? account : undefined;
    });

  it('links by pairing code, sends, logs out, and links again', async () => {
    const number = '12025550198';
    await world.simulator('POST', '/phones', { number });
    const { id } = await world.api<Account>('POST', '/v1/accounts', { name: 'By code', useLimits: false });
    await reaches(id, 'awaiting_link');
    const pairingCode = () =>
      world.api<{ code: string; expiresAt: string }>('POST', `/v1/accounts/${id}/pairing-code`, {
        phoneNumber: number,
      });
    await world.simulator('POST', '/faults', { kind: 'refuse-code', code: 429, account: number });
    await expect(pairingCode()).rejects.toThrow(/TOO_MANY_PAIRING_CODES/);
    expect(await world.api('GET', `/v1/accounts/${id}/link`)).toMatchObject({ method: 'qr' });
    const { code, expiresAt } = await pairingCode();
    expect(code).toMatch(/^[A-Z0-9]{8}$/);
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
    await world.simulator('POST', `/phones/${number}/enter-code`, { code });
    expect(await reaches(id, 'connected')).toMatchObject({ phoneNumber: number });
    const contract = await world.contract(id, [{ phoneNumber: '12015550177', message: 'By pairing code' }]);
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED' });

    await world.api('POST', `/v1/accounts/${id}/logout`);
    expect(await reaches(id, 'logged_out')).toMatchObject({ statusReason: 'by_request' });
    await world.api('POST', `/v1/accounts/${id}/connect`);
    const qr = await until('a QR code', () =>
      world.api<{ code: string; qr: string }>('GET', `/v1/accounts/${id}/qr`).catch(() => undefined),
    );
    expect(qr.qr).toMatch(/^data:image\/png;base64,/);
    await world.simulator('POST', `/phones/${number}/scan`, { code: qr.code });
    await reaches(id, 'connected');
    const again = await world.contract(id, [{ phoneNumber: '12015550177', message: 'After linking again' }]);
    expect(await world.ended(again.id)).toMatchObject({ status: 'COMPLETED' });
    expect((await world.received('12015550177')).map(({ text }) => text)).toEqual([
      'By pairing code',
      'After linking again',
    ]);
    expect(await world.totals()).toMatchObject({ usedCounters: 0, undecryptable: 0 });
  });

  it('shows a renewed QR code, and none to a phone that demands a passkey', async () => {
    const number = '12025550192';
    await world.simulator('POST', '/phones', { number, behaviour: { passkey: 'required' } });
    const { id } = await world.api<Account>('POST', '/v1/accounts', { name: 'By passkey' });
    await reaches(id, 'awaiting_link');
    const qr = () => world.api<{ code: string; attempt: number }>('GET', `/v1/accounts/${id}/qr`);
    const first = await qr();
    await world.simulator('POST', '/faults', { kind: 'renew-registration' });
    const second = await until('another code', async () => {
      const now = await qr();
      return now.code === first.code ? undefined : now;
    });
    expect(second.attempt).toBe(1);
    expect(second.code.split(',')[0]).toBe(first.code.split(',')[0]);
    await world.simulator('POST', `/phones/${number}/scan`, { code: second.code });
    expect(await reaches(id, 'disconnected')).toMatchObject({ statusReason: 'passkey_required' });
    await expect(qr()).rejects.toThrow(/409.*demands a passkey/s);
    await world.api('DELETE', `/v1/accounts/${id}`);
  });

  it('sends nothing from a phone of another number until that is confirmed', async () => {
    const [number, other] = ['12025550193', '12025550194'];
    const id = await world.linked(number);
    await world.api('POST', `/v1/accounts/${id}/logout`);
    await reaches(id, 'logged_out');
    const contract = await world.contract(id, [{ phoneNumber: '12015550178', message: 'From either number' }]);
    await world.simulator('POST', '/phones', { number: other });
    await world.api('POST', `/v1/accounts/${id}/connect`);
    const { code } = await until('a QR code', () =>
      world.api<{ code: string }>('GET', `/v1/accounts/${id}/qr`).catch(() => undefined),
    );
    await world.simulator('POST', `/phones/${other}/scan`, { code });
    expect(await reaches(id, 'disconnected')).toMatchObject({
      statusReason: 'number_changed',
      phoneNumber: number,
      linkedNumber: other,
    });
    expect(await world.read(contract.id)).toMatchObject({
      status: 'IN_PROGRESS',
      reason: expect.stringContaining('number_changed'),
    });
    const confirmed = await world.api<Account>('POST', `/v1/accounts/${id}/confirm-number`);
    expect(confirmed).toMatchObject({ phoneNumber: other, linkedNumber: null });
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED' });
    expect(await world.received('12015550178')).toMatchObject([{ from: other, text: 'From either number' }]);
  });

  it('is logged out when the phone unlinks it, and shows the ban of a banned number', async () => {
    const id = await world.linked('12025550197');
    await world.simulator('POST', '/faults', { account: '12025550197', kind: 'ban' });
    expect(await reaches(id, 'banned')).toMatchObject({ statusReason: 'refused_403' });
    await world.api('DELETE', `/v1/accounts/${id}`);
    await expect(world.api('GET', `/v1/accounts/${id}`)).rejects.toThrow(/404/);
  });

  it('imports an uploaded CSV and sends it', async () => {
    const accountId = await world.linked('12025550196');
    const contract = await world.contract(accountId, [], { start: false });
    const upload = await world.api<{ uploadUrl: string; method: string; headers: Record<string, string> }>(
      'POST',
      `/v1/contracts/${contract.id}/import`,
      { format: 'csv' },
    );
    const rows = numbers(30).map((number, i) => `+${number},"Imported, row ${i}",row-${i}`);
    const put = await fetch(upload.uploadUrl, {
      method: upload.method,
      headers: upload.headers,
      body: `phoneNumber,message,externalId\n${rows.join('\n')}\n`,
    });
    expect(put.status).toBe(200);
    const ready = await until('imported', async () => {
      const now = await world.read(contract.id);
      return now.status === 'PENDING' ? now : undefined;
    });
    expect(ready).toMatchObject({ totalCount: 30 });
    await world.api('POST', `/v1/contracts/${contract.id}/start`);
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED' });
    expect((await world.received('12015550100')).map(({ text }) => text)).toEqual(['Imported, row 0']);
  });

  it('refuses a file with a broken row, naming its line, and takes nothing of it', async () => {
    const accountId = await world.linked('12025550195');
    const contract = await world.contract(accountId, [], { start: false });
    const upload = await world.api<{ uploadUrl: string; headers: Record<string, string> }>(
      'POST',
      `/v1/contracts/${contract.id}/import`,
      { format: 'csv' },
    );
    await fetch(upload.uploadUrl, {
      method: 'PUT',
      headers: upload.headers,
      body: 'phoneNumber,message\n12015550101,Fine\n123,Broken\n',
    });
    const refused = await until('refused', async () => {
      const now = await world.api<{ status: string; totalCount: number; import: { status: string; errors: object[] } }>(
        'GET',
        `/v1/contracts/${contract.id}`,
      );
      return now.status === 'PENDING' ? now : undefined;
    });
    expect(refused).toMatchObject({
      totalCount: 0,
      import: { status: 'failed', errors: [{ line: 3, code: 'INVALID_NUMBER' }] },
    });
  });
});
