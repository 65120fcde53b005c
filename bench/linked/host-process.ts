import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildHost, hostProgram } from '../../bin/build-host.ts';
import { hostMemoryEnvironment } from '../../lib/infra/host-memory.ts';

/** A socket host of the benchmark's own, which is not started again when it ends. */
export interface HostProcess {
  readonly id: string;
  readonly pid: number;
  readonly metricsUrl: string;
  readonly ended: boolean;
  /** The last lines of its log. */
  lastWords(): string;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, unless it has ended; resolves when it has. After `withinMs` it is killed. */
  stop(withinMs?: number): Promise<void>;
}

const projectDir = join(import.meta.dirname, '../..');
const readyWithinMs = 30_000;
/** Of a host with one vCPU, which 1,000 accounts are meant for. */
const memoryMiB = 2048;

/** Once a process; hosts already running keep what they have read. */
let built: Promise<void> | undefined;

/**
 * Starts the host as its task does, from the program that its image has; `nodeOptions` are added. Its log is `<folder>/host.log`. Rejects when
 * it is not ready within 30 s.
 */
export async function startHostProcess(options: {
  folder: string;
  env: Record<string, string>;
  nodeOptions?: string[];
}): Promise<HostProcess> {
  const { folder, env, nodeOptions = [] } = options;
  mkdirSync(folder, { recursive: true });
  built ??= buildHost();
  await built;
  const log = openSync(join(folder, 'host.log'), 'a');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...nodeOptions, hostProgram], {
    cwd: projectDir,
    env: { ...hostMemoryEnvironment(memoryMiB), ...env, HOST_DATA_DIR: join(folder, 'data'), METRICS_PORT: '0' },
    stdio: ['ignore', 'pipe', log, 'ipc'],
  });
  closeSync(log);
  const { hostId, metricsUrl } = await readyLine(child, folder);
  return {
    id: hostId,
    pid: child.pid ?? 0,
    metricsUrl,
    get ended() {
      return hasEnded(child);
    },
    lastWords: () => readFileSync(join(folder, 'host.log'), 'utf8').trim().split('\n').slice(-3).join('\n'),
    kill: (signal) => void child.kill(signal),
    async stop(withinMs = 30_000) {
      if (hasEnded(child)) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), withinMs);
      await exit;
      clearTimeout(killer);
    },
  };
}

async function readyLine(child: ChildProcess, folder: string): Promise<{ hostId: string; metricsUrl: string }> {
  if (child.stdout === null) throw new Error('The host has no output.');
  const lines = createInterface({ input: child.stdout });
  const limit = setTimeout(() => child.kill('SIGKILL'), readyWithinMs);
  try {
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => String(text)),
      once(child, 'exit').then(() => undefined),
    ]);
    if (line === undefined) throw new Error(`A host did not start; its log is ${folder}/host.log.`);
    return JSON.parse(line);
  } finally {
    clearTimeout(limit);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
