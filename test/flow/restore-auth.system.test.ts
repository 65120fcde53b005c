import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBucket } from '../../lib/aws/accounts/restoration.ts';
import { type ObjectStore, objectStore } from '../../lib/aws/client/objects.ts';
import { childEnvironment, type Endpoints, LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/process/environment.ts';
import { numberOfKey } from '../../socket-host/auth/object-keys.ts';
import { startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const sender = '12025550199';
const [quiet, talker, waiting] = ['12015550150', '12015550151', '12015550152'];
const phones = [quiet, talker, waiting];

describe('an account whose keys are restored to what they were before it sent more', () => {
  let world: World;
  let endpoints: Endpoints | undefined;
  let s3: S3Client;
  let bucket: ObjectStore;
  let accountId: string;
  beforeAll(async () => {
    world = await startWorld({
      onEndpoints: (all) => {
        endpoints = all;
      },
    });
    s3 = new S3Client({
      endpoint: endpoints?.s3 ?? '',
      region: LOCAL_REGION,
      credentials: LOCAL_CREDENTIALS,
      forcePathStyle: true,
    });
    bucket = objectStore(s3, (await findBucket(s3, 'paceline-local-auth')) ?? '');
    accountId = await world.linked(sender);
  });
  afterAll(async () => {
    s3?.destroy();
    await world?.stop();
  });

  async function sendTo(numbers: string[], text: string): Promise<void> {
    const rows = numbers.map((phoneNumber) => ({ phoneNumber, message: text }));
    const { id } = await world.contract(accountId, rows);
    expect(await world.ended(id)).toMatchObject({ status: 'COMPLETED', counts: { failed: 0 } });
  }

  async function writes(phone: string, text: string): Promise<void> {
    await world.simulator('POST', `/phones/${phone}/send`, { to: sender, text });
    await until(`"${text}" in the inbox`, async () => {
      const { items } = await world.api<{ items: { from: string; text: string }[] }>('GET', '/v1/inbox');
      return items.some((item) => item.from === phone && item.text === text);
    });
  }

  const texts = async (phone: string) => (await world.received(phone)).map(({ text }) => text);
  const status = (wanted: string, reason: string | null = null) =>
    until(wanted, async () => {
      const account = await world.api<{ status: string; statusReason: string | null }>(
        'GET',
        `/v1/accounts/${accountId}`,
      );
      return account.status === wanted && (reason === null || account.statusReason === reason);
    });

  async function restoreAuth(...args: string[]): Promise<string> {
    if (endpoints === undefined) throw new Error('the stack has no endpoints');
    const command = ['bin/restore-auth.ts', '--stage', 'local', '--account', accountId, ...args];
    const env = childEnvironment(endpoints, project);
    return (await promisify(execFile)(process.execPath, command, { cwd: project, env })).stdout;
  }

  it('logs in, reaches everybody it had written to, and reads who writes under a session from before', async () => {
    await sendTo(phones, 'one');
    for (const phone of [talker, waiting]) await writes(phone, 'reply');
    await sendTo(phones, 'two');
    const versionAt = new Date().toISOString();
    for (const text of ['three', 'four']) await sendTo(phones, text);
    await writes(waiting, 'another reply');
    await world.api('POST', `/v1/accounts/${accountId}/disconnect`);
    await status('disconnected');

    // A bucket that has lost what is newest.
    const objects = (await bucket.list('')).filter((key) => key.includes(`/${accountId}/`));
    const newest = Math.max(...objects.map(numberOfKey));
    await bucket.remove(objects.filter((key) => numberOfKey(key) > newest - 2));
    await world.api('POST', `/v1/accounts/${accountId}/connect`);
    await status('failed', 'auth_state_damaged');

    expect(await restoreAuth('--list')).toContain(`\nsegments ${newest - 1}-${newest}  missing\n`);
    expect(await restoreAuth('--before', versionAt)).toContain(` as number ${newest + 1}: `);
    await world.api('POST', `/v1/accounts/${accountId}/connect`);
    await status('connected');

    await writes(talker, 'Are you there?');
    await sendTo(phones, 'five');
    await writes(waiting, 'I am');
    await sendTo(phones, 'six');
    for (const phone of phones) expect(await texts(phone)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
    expect(await world.totals()).toMatchObject({ distinct: 18, repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
  });
});
