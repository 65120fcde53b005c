import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { confirmNumber, readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { deleteAccount } from '../../../lib/aws/contracts/account-contracts.ts';
import { accountPk, keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { PairingRefused } from '../../../socket-host/transport.ts';
import { rowsTo } from '../../factories.ts';
import { type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

describe('the connection of an account', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    // Hosts beat every three seconds of the real clock: on one that runs faster still they would not seem to be there.
    gateway = await startGateway(scaledClock(5));
    await gateway.host();
  });
  afterAll(() => gateway.stop());
  beforeEach(() => {
    gateway.refuseWith(undefined);
    gateway.answerWith(() => ({}));
    gateway.refreshWith(async () => {});
    gateway.pairWith(() => 'ABCD1234');
  });

  const reaches = (id: string, status: Account['status'], timeoutMs = 60_000) =>
    until(
      status,
      async () => {
        const account = await gateway.readAccount(id);
        return account?.status === status ? account : undefined;
      },
      timeoutMs,
    );

  async function connected(settings: Partial<Account> = {}): Promise<Account> {
    const account = await gateway.account(settings);
    await reaches(account.id, 'connected');
    return account;
  }

  async function desire(id: string, desired: Account['desired']): Promise<void> {
    const pair = await readAccount(gateway.deps.table, tenantId, id);
    if (pair === undefined) throw new Error('no such account');
    await setDesired(gateway.deps, gateway.origin(), pair, desired);
  }

  const ends: [number, Account['status'], string | undefined][] = [
    [401, 'logged_out', 'by_whatsapp'],
    [403, 'banned', 'refused_403'],
    [406, 'banned', 'refused_406'],
    [411, 'failed', 'multidevice_mismatch'],
  ];
  it.each(ends)('a close with %i ends in %s and gives the account up', async (code, status, statusReason) => {
    const account = await connected();
    gateway.sessions.get(account.id)?.end({ code, detail: 'test' });
    expect(await reaches(account.id, status)).toMatchObject({ statusReason });
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
  });

  it.each([408, 428, 500, 503, 515])('a close with %i is followed by a new connection', async (code) => {
    const account = await connected();
    const before = gateway.sessions.get(account.id);
    before?.end({ code, detail: 'test' });
    await until('another session', async () => gateway.sessions.get(account.id) !== before);
    await reaches(account.id, 'connected');
  });

  it('a temporary ban restricts until it ends, keeps everything, and comes back by itself', async () => {
    const account = await connected();
    gateway.sessions.get(account.id)?.end({ code: 402, detail: 'test', expireSec: 20 });
    const restricted = await reaches(account.id, 'restricted');
    expect(restricted.restrictedUntil).toBeGreaterThan(Date.now());
    await reaches(account.id, 'connected');
  });

  it('an outdated client refreshes its version once, then fails', async () => {
    const account = await connected();
    gateway.refuseWith((id) => (id === account.id ? { code: 405, detail: 'test' } : undefined));
    gateway.sessions.get(account.id)?.end({ code: 405, detail: 'test' });
    expect(await reaches(account.id, 'failed')).toMatchObject({ statusReason: 'client_outdated' });
  });

  it('a client version that was learnt once is what later hosts start with', async () => {
    const account = await connected();
    const before = gateway.sessions.get(account.id);
    before?.end({ code: 405, detail: 'test' });
    await until('another session', async () => gateway.sessions.get(account.id) !== before);
    await reaches(account.id, 'connected');
    const seen = gateway.versions.length;
    await (await gateway.host()).stop();
    expect(gateway.versions.slice(seen)).toEqual(['2.3000.99']);
  });

  it('a version that could not be read is asked for again: only one that was read can be refused for good', async () => {
    const account = await connected();
    let asked = 0;
    gateway.refreshWith(async () => {
      asked += 1;
      if (asked < 3) throw new Error('429');
    });
    gateway.refuseWith((id) => (id === account.id && asked < 3 ? { code: 405, detail: 'test' } : undefined));
    const before = gateway.sessions.get(account.id);
    before?.end({ code: 405, detail: 'test' });
    expect(await reaches(account.id, 'disconnected')).toMatchObject({ statusReason: 'connection_lost' });
    await until('an end', async () => {
      const { status } = (await gateway.readAccount(account.id)) ?? {};
      return status === 'failed' || (status === 'connected' && gateway.sessions.get(account.id) !== before);
    });
    expect([asked, (await gateway.readAccount(account.id))?.status]).toEqual([3, 'connected']);
  });

  it('three client errors in a row fail the account', async () => {
    const account = await connected();
    gateway.refuseWith((id) => (id === account.id ? { code: 409, detail: 'test' } : undefined));
    gateway.sessions.get(account.id)?.end({ code: 409, detail: 'test' });
    expect(await reaches(account.id, 'failed', 30_000)).toMatchObject({ statusReason: 'client_error' });
  });

  it('takes a replaced connection back once under a new epoch, and gives in to the second', async () => {
    const account = await connected();
    const epoch = (await gateway.readHot(account.id))?.epoch ?? 0;
    const first = gateway.sessions.get(account.id);
    first?.end({ code: 440, detail: 'test' });
    await until('another session', async () => gateway.sessions.get(account.id) !== first);
    await reaches(account.id, 'connected');
    expect((await gateway.readHot(account.id))?.epoch).toBe(epoch + 1);
    gateway.sessions.get(account.id)?.end({ code: 440, detail: 'test' });
    expect(await reaches(account.id, 'failed')).toMatchObject({ statusReason: 'replaced_elsewhere' });
  });

  it('one account failing again and again leaves the others alone', async () => {
    const [bad, good] = [await connected(), await connected()];
    gateway.refuseWith((id) => (id === bad.id ? { code: 500, detail: 'test' } : undefined));
    gateway.sessions.get(bad.id)?.end({ code: 500, detail: 'test' });
    const session = gateway.sessions.get(good.id);
    const contract = await gateway.contract(good, rowsTo(5, 900));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(gateway.sessions.get(good.id)).toBe(session);
  });

  it('shows a pairing code at once where the tenant asked for it', async () => {
    const account = await gateway.account({ linkedAt: undefined as never, linkMethod: 'pairing_code' });
    const { link } = await reaches(account.id, 'awaiting_link');
    expect(link).toMatchObject({ method: 'pairing_code', code: 'ABCD1234', attempt: 1 });
    await desire(account.id, 'disconnected');
    await reaches(account.id, 'disconnected');
  });

  it('shows QR codes where WhatsApp refuses the pairing code, says why, and asks for no other until the tenant does', async () => {
    const asked: string[] = [];
    gateway.pairWith((number) => {
      asked.push(number);
      if (asked.length < 3) throw new PairingRefused(asked.length === 1 ? 429 : 400);
      return 'EFGH5678';
    });
    const account = await gateway.account({ linkedAt: undefined as never, linkMethod: 'pairing_code' });
    const first = await reaches(account.id, 'awaiting_link');
    expect(first.link).toMatchObject({ method: 'qr', code: 'code-1', attempt: 1 });
    expect(first.warnings).toEqual([
      "Paceline's request for a pairing code was refused (429): too many were asked for; wait some hours before you ask again, or scan the QR code.",
    ]);
    await until('the second QR code', async () => (await gateway.readAccount(account.id))?.link?.attempt === 2);
    expect(asked).toEqual(['79990000001']);
    const ask = async () => {
      const pair = await readAccount(gateway.deps.table, tenantId, account.id);
      if (pair === undefined) throw new Error('no such account');
      const origin = gateway.origin();
      await setDesired(gateway.deps, origin, pair, 'connected', { pairingFor: '79990000009' });
      return await until('an answer', async () => {
        const now = await gateway.readAccount(account.id);
        return now?.pairingFor === undefined ? { ...now, askedAt: origin.at } : undefined;
      });
    };
    const refused = await ask();
    expect(refused.pairingRefused).toEqual({ code: 400, asked: refused.askedAt });
    expect(refused.link).toMatchObject({ method: 'qr' });
    const given = await ask();
    expect(given.link).toMatchObject({ method: 'pairing_code', code: 'EFGH5678' });
    expect(given.warnings).toEqual([]);
    expect(given).not.toHaveProperty('pairingRefused');
    await desire(account.id, 'disconnected');
    await reaches(account.id, 'disconnected');
  });

  it('shows a QR code anew when its registration is renewed, and none when the phone demands a passkey', async () => {
    const account = await gateway.account({ linkedAt: undefined as never });
    await reaches(account.id, 'awaiting_link');
    const session = gateway.sessions.get(account.id);
    const renewed = {
      method: 'qr' as const,
      code: 'code-1-renewed',
      attempt: 1,
      expiresAt: gateway.deps.nowMs() + 60_000,
    };
    session?.listener.onLink(renewed);
    await until('the new code', async () => (await gateway.readAccount(account.id))?.link?.code === renewed.code);
    expect((await gateway.readAccount(account.id))?.link?.attempt).toBe(1);
    session?.listener.onPasskeyDemanded();
    const stopped = await reaches(account.id, 'disconnected');
    expect(stopped).toMatchObject({
      statusReason: 'passkey_required',
      warnings: [
        'WhatsApp demands a passkey for linking this phone, which this version of Paceline does not support; the code is no longer shown.',
      ],
    });
    expect(stopped).not.toHaveProperty('link');
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
    await desire(account.id, 'connected');
    await reaches(account.id, 'awaiting_link');
    await desire(account.id, 'disconnected');
  });

  it('disconnects and connects as the tenant desires', async () => {
    const account = await connected();
    await desire(account.id, 'disconnected');
    expect(await reaches(account.id, 'disconnected')).toMatchObject({ statusReason: 'by_request' });
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
    await desire(account.id, 'connected');
    await reaches(account.id, 'connected');
  });

  it('removes everything of a deleted account: keys, items, lanes', async () => {
    const account = await connected();
    await deleteAccount(gateway.deps, gateway.origin(), tenantId, account.id);
    // The items go one after the other.
    const items = () => gateway.deps.table.queryAll<object>({ pk: accountPk(tenantId, account.id) });
    await until('the items are gone', async () => (await items()).length === 0);
    const { objectStore } = await import('../../../lib/aws/client/objects.ts');
    const auth = objectStore(gateway.emulators.clients.s3, gateway.emulators.config.AUTH_BUCKET);
    const left = await auth.list(`${tenantId}/${account.id}/snap/`);
    expect(left.length).toBeLessThanOrEqual(1);
  });
});

it('an account that was replaced twice gives in also where another host has taken it over in between', async () => {
  const gateway = await startGateway(scaledClock(5));
  try {
    const first = await gateway.host();
    const account = await gateway.account();
    const session = (before?: unknown) =>
      until('connected', async () => {
        const now = gateway.sessions.get(account.id);
        return now !== before && (await gateway.readAccount(account.id))?.status === 'connected' ? now : undefined;
      });
    const lost = await session();
    lost.end({ code: 440, detail: 'test' });
    const takenBack = await session(lost);
    await first.stop();
    await gateway.host();
    (await session(takenBack)).end({ code: 440, detail: 'test' });
    await until('failed', async () => (await gateway.readAccount(account.id))?.status === 'failed');
    expect(await gateway.readAccount(account.id)).toMatchObject({ statusReason: 'replaced_elsewhere' });
    // Who has ended the other one and asks anew begins anew.
    const pair = await readAccount(gateway.deps.table, tenantId, account.id);
    if (pair === undefined) throw new Error('no such account');
    await setDesired(gateway.deps, gateway.origin(), pair, 'connected');
    const again = await session(gateway.sessions.get(account.id));
    again.end({ code: 440, detail: 'test' });
    await session(again);
  } finally {
    await gateway.stop();
  }
});

it('a server that wants a new start at each login is tried no oftener than one that refuses it', async () => {
  const gateway = await startGateway(systemClock);
  try {
    await gateway.host();
    const account = await gateway.account();
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    const loginsMs: number[] = [];
    gateway.refuseWith(() => {
      loginsMs.push(performance.now());
      return loginsMs.length > 20 ? undefined : { code: 515, detail: 'test' };
    });
    const startedMs = performance.now();
    gateway.sessions.get(account.id)?.end({ code: 515, detail: 'test' });
    await until('three', async () => loginsMs.length === 3);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // At once, after up to half a second, after two seconds at least.
    expect((loginsMs[0] ?? 0) - startedMs).toBeLessThan(300);
    expect(loginsMs.length).toBe(3);
  } finally {
    await gateway.stop();
  }
});

it('waits before the second try to connect again for as long as the host is set to', async () => {
  const clock = scaledClock(10);
  const gateway = await startGateway(clock);
  try {
    gateway.emulators.env.RECONNECT_BASE_MS = '20000';
    await gateway.host();
    const account = await gateway.account();
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    const loginsMs: number[] = [];
    gateway.refuseWith(() => {
      loginsMs.push(clock.monotonicMs());
      return { code: 503, detail: 'test' };
    });
    gateway.sessions.get(account.id)?.end({ code: 503, detail: 'test' });
    await until('two', async () => loginsMs.length === 2);
    expect((loginsMs[1] ?? 0) - (loginsMs[0] ?? 0)).toBeGreaterThanOrEqual(20_000);
  } finally {
    await gateway.stop();
  }
});

it('sends nothing before what waited at WhatsApp has been read, however long that takes', async () => {
  const clock = scaledClock(10);
  const gateway = await startGateway(clock);
  const read = Promise.withResolvers<void>();
  try {
    const opened = Promise.withResolvers<number>();
    gateway.whenOpening(() => {
      opened.resolve(clock.nowMs());
      return read.promise;
    });
    await gateway.host();
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(1));
    const openedAt = await opened.promise;
    await until('half a minute has passed', async () => clock.nowMs() - openedAt > 30_000);
    expect(gateway.wire).toEqual([]);
    read.resolve();
    await until('sent', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(gateway.wire).toHaveLength(1);
  } finally {
    read.resolve();
    await gateway.stop();
  }
});

describe('an account that is to be linked', () => {
  it('shows three QR codes, then waits for the user', async () => {
    const gateway = await startGateway(scaledClock(10));
    await gateway.host();
    const account = await gateway.account({ linkedAt: undefined as never, phoneNumber: undefined as never });
    const shown = new Set<string>();
    await until('link_timeout', async () => {
      const now = await gateway.readAccount(account.id);
      if (now?.link !== undefined) shown.add(`${now.link.method} ${now.link.attempt} ${now.link.code}`);
      return now?.status === 'disconnected' && now.statusReason === 'link_timeout';
    });
    expect([...shown]).toEqual(['qr 1 code-1', 'qr 2 code-2', 'qr 3 code-3']);
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
    await gateway.stop();
  });
});

describe('placement', () => {
  it('holds an account once, however many words about it come at the same time', async () => {
    const gateway = await startGateway(scaledClock(10));
    try {
      await gateway.host();
      let opened = 0;
      gateway.whenOpening(() => {
        opened += 1;
      });
      const accounts = await Promise.all(Array.from({ length: 20 }, () => gateway.account()));
      await until('all connected', async () => {
        const all = await Promise.all(accounts.map(({ id }) => gateway.readAccount(id)));
        return all.every((account) => account?.status === 'connected');
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(opened).toBe(20);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a phone with another number than the account', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway(systemClock);
    await gateway.host();
  });
  afterAll(() => gateway.stop());
  beforeEach(() => gateway.answerWith(() => ({})));

  const own = '79990000001';
  const other = '79990000002';
  const reaches = (id: string, wanted: Partial<Account>) =>
    until(JSON.stringify(wanted), async () => {
      const account = await gateway.readAccount(id);
      const fits = Object.entries(wanted).every(([name, value]) => Reflect.get(account ?? {}, name) === value);
      return fits ? account : undefined;
    });
  const released = (id: string) =>
    until('released', async () => (await gateway.readHot(id))?.owner === undefined || undefined);
  const pairOf = async (id: string) => {
    const pair = await readAccount(gateway.deps.table, tenantId, id);
    if (pair === undefined) throw new Error('no such account');
    return pair;
  };
  const desire = async (id: string, desired: Account['desired']) =>
    await setDesired(gateway.deps, gateway.origin(), await pairOf(id), desired);
  const confirm = async (id: string) => await confirmNumber(gateway.deps, gateway.origin(), await pairOf(id));
  const sentBy = (id: string) => gateway.wire.filter(({ account }) => account === id).length;

  const unlinked = (settings: Partial<Account> = {}) =>
    gateway.account({ linkedAt: undefined as never, phoneNumber: own, ...settings });

  /** Somebody scans the code with this phone: credentials, then 515. */
  async function scan(id: string, phoneNumber: string): Promise<void> {
    await reaches(id, { status: 'awaiting_link' });
    const session = gateway.sessions.get(id);
    gateway.phones.set(id, phoneNumber);
    session?.listener.onLinked({ phoneNumber });
    session?.end({ code: 515, detail: 'restart required' });
  }

  it('halts the account, whatever the tenant desires, until the number is confirmed', async () => {
    const account = await unlinked();
    const contract = await gateway.contract(account, rowsTo(3));
    await scan(account.id, other);
    const halted = { status: 'disconnected', statusReason: 'number_changed', linkedNumber: other } as const;
    await reaches(account.id, { ...halted, phoneNumber: own, pacedFor: own });
    await released(account.id);
    const session = gateway.sessions.get(account.id);
    for (const desired of ['connected', 'disconnected', 'connected'] as const) {
      await desire(account.id, desired);
      await released(account.id);
      await reaches(account.id, halted);
    }
    expect(gateway.sessions.get(account.id)).toBe(session);
    await until('recalled', async () =>
      (await gateway.messages(contract)).every(({ state }) => state === 'PENDING') ? true : undefined,
    );
    expect(sentBy(account.id)).toBe(0);
    expect((await gateway.readContract(contract.id))?.status).toBe('IN_PROGRESS');

    const confirmed = await confirm(account.id);
    expect(confirmed.account).toMatchObject({ phoneNumber: other, pacedFor: other, desired: 'connected' });
    expect(confirmed.account).not.toHaveProperty('linkedNumber');
    await reaches(account.id, { status: 'connected', phoneNumber: other });
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(sentBy(account.id)).toBe(3);
    await expect(confirm(account.id)).rejects.toThrow('ILLEGAL_STATE');
  });

  it('is unlinked by a logout, and the right one is linked then', async () => {
    const account = await unlinked();
    await scan(account.id, other);
    await reaches(account.id, { statusReason: 'number_changed' });
    await released(account.id);
    await desire(account.id, 'logged_out');
    const out = await reaches(account.id, { status: 'logged_out', statusReason: 'by_request' });
    expect(out).not.toHaveProperty('linkedNumber');
    gateway.phones.delete(account.id);
    await desire(account.id, 'connected');
    await scan(account.id, own);
    const { pacedSince } = account;
    await reaches(account.id, {
      status: 'connected',
      phoneNumber: own,
      ...(pacedSince === undefined ? {} : { pacedSince }),
    });
  });

  it('is found by its keys where the host died before it could say so, and never connects', async () => {
    const account = await gateway.account({ linkedAt: undefined as never, phoneNumber: own, desired: 'disconnected' });
    gateway.phones.set(account.id, other);
    await desire(account.id, 'connected');
    await reaches(account.id, { status: 'disconnected', statusReason: 'number_changed', linkedNumber: other });
    expect(gateway.sessions.get(account.id)).toBeUndefined();
  });

  it('never gets what the first number had in hand', async () => {
    const account = await gateway.account({ phoneNumber: own });
    await reaches(account.id, { status: 'connected' });
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1, 50));
    await until('on the wire', async () => sentBy(account.id) === 1);
    gateway.phones.set(account.id, other);
    gateway.sessions.get(account.id)?.end({ code: 428, detail: 'test' });
    await reaches(account.id, { statusReason: 'number_changed' });
    await released(account.id);
    await confirm(account.id);
    gateway.answerWith(() => ({}));
    await reaches(account.id, { status: 'connected', phoneNumber: other });
    await until('ended', async () => (await gateway.readContract(contract.id))?.status === 'FAILED');
    expect((await gateway.messages(contract))[0]?.error?.code).toBe('OUTCOME_UNKNOWN');
    expect(sentBy(account.id)).toBe(1);
  });

  it('gets nothing of it where the first owner died before it could end it, and the number is confirmed by then', async () => {
    const account = await gateway.account({ phoneNumber: own });
    await reaches(account.id, { status: 'connected' });
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1, 60));
    await until('on the wire', async () => sentBy(account.id) === 1);
    await desire(account.id, 'disconnected');
    gateway.sessions.get(account.id)?.end({ code: 428, detail: 'test' });
    await released(account.id);
    // What the owner wrote last, and the tenant's answer.
    await gateway.deps.table.update(keys.account(tenantId, account.id), {
      update: 'SET linkedNumber = :other, linkedAt = :now',
      values: { ':other': other, ':now': Date.now() },
    });
    gateway.phones.set(account.id, other);
    await confirm(account.id);
    gateway.answerWith(() => ({}));
    await desire(account.id, 'connected');
    await reaches(account.id, { status: 'connected', phoneNumber: other });
    await until('ended', async () => (await gateway.readContract(contract.id))?.status === 'FAILED');
    expect((await gateway.messages(contract))[0]?.error?.code).toBe('OUTCOME_UNKNOWN');
    expect(sentBy(account.id)).toBe(1);
  });

  it.each([
    ['another spelling of the same number', '5548999120009', '554899120009'],
    ['the first number of an account', undefined, '79990000003'],
  ])('is not %s', async (_what, named, scanned) => {
    const account = await unlinked({ phoneNumber: named as never, pacedFor: undefined as never });
    await scan(account.id, scanned);
    const now = await reaches(account.id, { status: 'connected' });
    expect(now.phoneNumber).toBe(scanned);
    expect(now).not.toHaveProperty('linkedNumber');
  });
});
