import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { canTie } from '../../local/process/bound-program.ts';
import { eventually, temporaryFolder } from './temporary-folder.ts';

interface Process {
  pid: number;
  parent: number;
  state: string;
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return [{ pid: Number(name), parent: Number(parent), state }];
      } catch {
        return [];
      }
    });
}

function descendants(of: number): number[] {
  const all = processes();
  const below = (pid: number): number[] =>
    all.filter((one) => one.parent === pid).flatMap((one) => [one.pid, ...below(one.pid)]);
  return below(of);
}

test.skipIf(process.platform !== 'linux')(
  'every child ends within 2 s of a parent killed without warning, and the next start works',
  async () => {
    const dataDir = temporaryFolder();
    const first = await start(dataDir);
    const children = descendants(first.pid ?? 0);
    // Two emulator processes and dynoxide, four functions, one host.
    if (children.length < 8) throw new Error(`Only ${children.length} children run.`);
    first.kill('SIGKILL');
    await eventually(() => {
      const alive = processes().filter((one) => children.includes(one.pid) && one.state !== 'Z');
      return alive.length === 0 ? true : undefined;
    }, 2000);
    const second = await start(dataDir);
    second.kill('SIGKILL');
    await once(second, 'exit');
  },
);

test.skipIf(!canTie())('dynoxide ends too when its keeper is killed together with the parent', async () => {
  const stack = await start(temporaryFolder());
  const children = descendants(stack.pid ?? 0);
  const keeper = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('emulators/dynamodb.ts'));
  if (keeper === undefined) throw new Error('No process keeps dynoxide.');
  stack.kill('SIGKILL');
  process.kill(keeper, 'SIGKILL');
  await eventually(() => {
    const alive = processes().filter((one) => children.includes(one.pid) && one.state !== 'Z');
    return alive.length === 0 ? true : undefined;
  }, 2000);
});

async function start(dataDir: string): Promise<ChildProcess> {
  const entry = join(import.meta.dirname, 'fixtures', 'run-stack.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(() => {
    throw new Error('The stack ended.');
  });
  ended.catch(() => undefined);
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}
