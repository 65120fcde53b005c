import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, startApi } from '../api.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('../../../bin/admin-key.ts', import.meta.url));

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

it('bin/admin-key.ts makes a key that opens the admin routes', async () => {
  const { stdout } = await run(
    process.execPath,
    [script, '--table', api.emulators.config.TABLE_NAME, '--name', 'Ops'],
    {
      env: { ...process.env, ...api.emulators.env },
    },
  );
  const key = stdout.trim();
  expect(key).toMatch(/^pla_[A-Za-z0-9_-]{43}$/);
  const made = await api.call('POST', '/v1/admin/tenants', { name: 'First' }, { key });
  expect(made.status).toBe(201);
});

it('bin/admin-key.ts says what it needs', async () => {
  await expect(run(process.execPath, [script])).rejects.toMatchObject({ code: 2 });
});
