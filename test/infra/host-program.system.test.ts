import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildHost } from '../../bin/build-host.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';

const projectRoot = join(import.meta.dirname, '../..');

describe('the program that the image of a host has', () => {
  let emulators: Emulators;
  let data: string;
  let program: string;
  let child: ChildProcess;
  beforeAll(async () => {
    emulators = await startEmulators();
    data = mkdtempSync(join(tmpdir(), 'paceline-program-'));
    // Below the project's packages, which it takes from there.
    program = mkdtempSync(join(projectRoot, 'node_modules/.paceline-program-'));
    await buildHost(join(program, 'socket-host.mjs'));
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await emulators.stop();
    for (const folder of [data, program]) rmSync(folder, { recursive: true, force: true });
  });

  it('starts a host that answers and drains', async () => {
    const env = { ...process.env, ...emulators.env, HOST_DATA_DIR: data, METRICS_PORT: '0', DRAIN_SEC: '2' };
    child = spawn(process.execPath, [join(program, 'socket-host.mjs')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no output');
    const [line] = await once(createInterface(child.stdout), 'line');
    const { hostId, metricsUrl } = JSON.parse(String(line));
    expect(hostId).toMatch(/^hst_/);
    expect((await fetch(`${new URL(metricsUrl).origin}/health`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
