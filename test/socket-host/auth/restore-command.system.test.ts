import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findBucket } from '../../../lib/aws/accounts/restoration.ts';
import { type ObjectStore, objectStore } from '../../../lib/aws/client/objects.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { Account, AccountHot } from '../../../lib/domain/accounts/account.ts';
import { type Cache, openCache } from '../../../socket-host/auth/cache.ts';
import { type AuthStore, openAuthStore } from '../../../socket-host/auth/store.ts';
import { type Api, startApi, tenantA } from '../../api/api.ts';

const script = fileURLToPath(new URL('../../../bin/restore-auth.ts', import.meta.url));
const startMs = Date.UTC(2026, 10, 20, 9);

let api: Api;
let objects: ObjectStore;
let folder: string;
let cache: Cache;
let accountId: string;
const opened: AuthStore[] = [];
beforeAll(async () => {
  api = await startApi();
  folder = mkdtempSync(join(tmpdir(), 'auth-restore-'));
  objects = objectStore(api.emulators.clients.s3, api.emulators.config.AUTH_BUCKET);
  cache = openCache(join(folder, 'cache.sqlite'));
});
afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()));
  cache.close();
  rmSync(folder, { recursive: true, force: true });
  await api.stop();
});
beforeEach(async () => {
  accountId = await api.account({}, { connected: true });
});

async function open(epoch: number, nowMs = Date.now, writtenTo?: number): Promise<AuthStore> {
  const store = await openAuthStore({
    objects,
    cache,
    prefix: `${tenantA}/${accountId}/`,
    host: 'hst_1',
    epoch,
    mayWrite: () => true,
    nowMs,
    nonce: randomUUID,
    onFenced: () => {},
    writtenTo,
  });
  opened.push(store);
  return store;
}

const account = () => api.deps.table.get<Account>(keys.account(tenantA, accountId));
const hot = () => api.deps.table.get<AccountHot & { ix?: string }>(keys.accountHot(tenantA, accountId));

async function setStatus(status: string, statusReason: string): Promise<void> {
  await api.deps.table.update(keys.account(tenantA, accountId), {
    update: 'SET #s = :s, statusReason = :r, desired = :d',
    names: { '#s': 'status' },
    values: { ':s': status, ':r': statusReason, ':d': 'connected' },
  });
}

/** Four minutes of an account's life, a segment each, of which the last one is damaged. */
async function damagedAccount(): Promise<AuthStore> {
  let nowMs = startMs;
  const store = await open(1, () => nowMs);
  const minute = async (creds: string, session: string) => {
    nowMs += 60_000;
    store.saveCreds({ me: { id: creds }, account: {} });
    await store.set({ session: { a: session }, 'lid-mapping': { '4915100000001': '99' }, 'pre-key': { 1: 'public' } });
    await store.commit();
  };
  await minute('first', 'ratchet 1');
  await minute('second', 'ratchet 2');
  await minute('third', 'ratchet 3');
  await objects.put(`${tenantA}/${accountId}/log/000000000004`, new Uint8Array(100));
  await setStatus('failed', 'auth_state_damaged');
  // As its owner left it.
  await api.deps.table.update(keys.accountHot(tenantA, accountId), {
    update: 'SET epoch = :e REMOVE ix, ixs',
    values: { ':e': 1 },
  });
  return store;
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { STAGE, TABLE_NAME, AUTH_BUCKET } = api.emulators.config;
  const fixed = ['--stage', STAGE, '--table', TABLE_NAME, '--bucket', AUTH_BUCKET];
  const env = { ...process.env, ...api.emulators.env };
  try {
    const done = await promisify(execFile)(process.execPath, [script, ...fixed, ...args], { env });
    return { code: 0, ...done };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('npm run restore-auth', () => {
  it('shows what is kept and what is damaged', async () => {
    await damagedAccount();
    const { stdout } = await run('--account', accountId, '--list');
    expect(stdout.replace(/ \d+ bytes/, ' N bytes').split('\n')).toEqual([
      'segments 1-3  2026-11-20T09:00:00.000Z to 2026-11-20T09:02:00.000Z  N bytes  intact',
      'segment  4  damaged: is not an auth object',
      'The newest complete version has number 3, of 2026-11-20T09:02:00.000Z.',
      '',
    ]);
  });

  it('restores an account with a damaged head, so that it opens and can be connected, and stops its old owner', async () => {
    const stale = await damagedAccount();
    await expect(open(2)).rejects.toThrow('log/000000000004 is not an auth object');

    const { stdout, stderr } = await run('--account', accountId, '--before', '2026-11-20T10:00:00Z');
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      'Restored number 3 of 2026-11-20T09:02:00.000Z as number 5: 3 keys kept, 1 sessions and sender keys dropped.',
      `Now POST /v1/accounts/${accountId}/connect.`,
      '',
    ]);
    expect(await account()).toMatchObject({
      desired: 'disconnected',
      status: 'disconnected',
      statusReason: 'auth_state_restored',
    });
    expect(await hot()).toMatchObject({ epoch: 2 });
    expect((await hot())?.ix).toBeUndefined();
    const audit = await api.call('GET', '/v1/audit');
    expect(audit.json.items[0]).toMatchObject({ action: 'account.auth_restored', target: accountId });

    await stale.set({ session: { a: 'rolled on' } });
    await expect(stale.commit()).rejects.toThrow('restore-auth of epoch 2 has written segment 5');

    expect((await api.call('POST', `/v1/accounts/${accountId}/connect`)).status).toBe(202);
    expect(await hot()).toMatchObject({ ix: 'unowned', epoch: 2 });
    const store = await open(3);
    expect(store.creds()).toEqual({ me: { id: 'second' }, account: {} });
    expect(store.get('pre-key', '1')).toBe('public');
    expect(store.get('lid-mapping', '4915100000001')).toBe('99');
    expect(store.get('session', 'a')).toBeUndefined();
    await store.set({ session: { a: 'new' } });
    await store.commit();
  });

  it('shows that the newest segments are gone, and goes on behind them', async () => {
    await damagedAccount();
    const lost = [3, 4].map((number) => `${tenantA}/${accountId}/log/00000000000${number}`);
    await objects.remove(lost);
    await api.deps.table.update(keys.accountHot(tenantA, accountId), {
      update: 'SET authHead = :n',
      values: { ':n': 4 },
    });
    expect((await run('--account', accountId, '--list')).stdout).toContain('\nsegments 3-4  missing\n');
    await expect(open(2, Date.now, 4)).rejects.toThrow('segments 3 to 4 are missing');
    const { stdout } = await run('--account', accountId, '--before', '2026-11-20T10:00:00Z');
    expect(stdout).toContain('Restored number 2 of 2026-11-20T09:01:00.000Z as number 5');
    expect((await hot())?.authHead).toBe(4);
    expect((await open(3, Date.now, 4)).creds()).toEqual({ me: { id: 'first' }, account: {} });
  });

  it('restores one of the numbers shown', async () => {
    await damagedAccount();
    const { stdout } = await run('--account', accountId, '--number', '2');
    expect(stdout).toContain('Restored number 2 of 2026-11-20T09:01:00.000Z as number 5');
    expect((await open(3)).creds()).toEqual({ me: { id: 'first' }, account: {} });
  });

  it('leaves an account alone that somebody owns', async () => {
    await damagedAccount();
    await api.deps.table.update(keys.accountHot(tenantA, accountId), {
      update: 'SET #o = :h',
      names: { '#o': 'owner' },
      values: { ':h': 'hst_busy' },
    });
    const before = await objects.list(`${tenantA}/${accountId}/`);
    const { code, stderr } = await run('--account', accountId, '--before', '2026-11-20T10:00:00Z');
    expect(code).toBe(1);
    expect(stderr).toContain(`hst_busy owns the account: POST /v1/accounts/${accountId}/disconnect`);
    expect(await objects.list(`${tenantA}/${accountId}/`)).toEqual(before);
    expect(await hot()).toMatchObject({ epoch: 1, owner: 'hst_busy' });
    expect(await account()).toMatchObject({ status: 'failed', desired: 'connected' });
  });

  it('leaves a ban standing, and changes nothing where nothing can be restored', async () => {
    await damagedAccount();
    await setStatus('banned', 'refused_403');
    const early = await run('--account', accountId, '--before', '2026-11-19T10:00:00Z');
    expect([early.code, early.stderr]).toEqual([
      1,
      'No complete version is older than that; the oldest one is of 2026-11-20T09:00:00.000Z.\n',
    ]);
    expect(await account()).toMatchObject({ desired: 'connected', status: 'banned' });
    expect((await run('--account', accountId, '--number', '3')).code).toBe(0);
    expect(await account()).toMatchObject({ status: 'banned', statusReason: 'refused_403' });
  });

  it('says what it needs', async () => {
    expect((await run()).stderr).toContain('Usage: npm run restore-auth');
    expect((await run('--account', accountId)).code).toBe(2);
    expect((await run('--account', accountId, '--list', '--number', '3')).code).toBe(2);
    expect((await run('--account', accountId, '--before', 'yesterday')).stderr).toContain('--before is no time');
    expect((await run('--account', 'acc_unknown', '--list')).stderr).toBe(
      'There is no account acc_unknown in this stage.\n',
    );
  });
});

it('the auth bucket of a stage is found by its name', async () => {
  for (const name of ['paceline-qa-auth-000000000000-us-east-1', 'paceline-qa-auth-000000000000-eu-west-1']) {
    await api.deps.s3.send(new CreateBucketCommand({ Bucket: name }));
  }
  expect(await findBucket(api.deps.s3, 'paceline-qa-auth')).toBe('paceline-qa-auth-000000000000-us-east-1');
  expect(await findBucket(api.deps.s3, 'paceline-qb-auth')).toBeUndefined();
});
