import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The content of `<data>/local.json` while the stack runs. */
export interface LocalState {
  pid: number;
  apiUrl: string;
  apiKey: string;
  adminKey: string;
  simulatorUrl: string | undefined;
  hosts: { id: string; pid: number; metricsUrl: string | undefined }[];
  functions: { name: string; pid: number }[];
}

/** Ports kept over restarts, so that what is stored with an address stays true. */
export interface Ports {
  gateway?: number;
  dynamodb?: number;
  sqs?: number;
  s3?: number;
  simulator?: number;
}

export interface Keys {
  apiKey: string;
  adminKey: string;
}

interface Lock {
  pid: number;
  startedAt: string;
}

/** A sentence for the user, not a failure of the program. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The file by which a data folder of a stack is known. It is written first. */
const MARKER = 'keys.json';

/**
 * The folder of one local stack: its lock, ports, keys and `local.json`. Opening it takes the lock, which a process that has died does not hold any
 * more; throws UsageError while another one runs on the folder.
 */
export class DataFolder {
  readonly path: string;
  ports: Ports;
  readonly keys: Keys;

  constructor(path: string, options: { reset?: boolean } = {}) {
    this.path = resolve(path);
    makeWritable(this.path);
    this.#lock();
    if (options.reset === true) this.#reset();
    // A state file of a process that was killed.
    rmSync(this.#file('local.json'), { force: true });
    this.ports = this.#read<Ports>('ports.json') ?? {};
    this.keys = this.#read<Keys>(MARKER) ?? newKeys();
    this.#write(MARKER, this.keys, 0o600);
  }

  savePorts(): void {
    this.#write('ports.json', this.ports);
  }

  /** Atomic: a reader sees the old state or the new one, never a part. */
  saveState(state: LocalState): void {
    this.#write('local.json', state, 0o600);
  }

  logPath(name: string): string {
    return join(this.path, 'logs', `${name}.log`);
  }

  /** Makes and returns a folder below this one. */
  folder(...parts: string[]): string {
    const path = join(this.path, ...parts);
    mkdirSync(path, { recursive: true });
    return path;
  }

  read<T>(name: string): T | undefined {
    return this.#read<T>(name);
  }

  write(name: string, value: unknown): void {
    this.#write(name, value);
  }

  /** The clean end. */
  close(): void {
    rmSync(this.#file('local.json'), { force: true });
    rmSync(this.#file('lock.json'), { force: true });
  }

  #lock(): void {
    const lock = JSON.stringify({ pid: process.pid, startedAt: processStart(process.pid) } satisfies Lock);
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        const fd = openSync(this.#file('lock.json'), 'wx');
        writeSync(fd, lock);
        closeSync(fd);
        return;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
      const holder = this.#read<Lock>('lock.json');
      if (holder !== undefined && isAlive(holder)) {
        throw new UsageError(
          `Another local stack (process ${holder.pid}) already runs on ${this.path}: stop it, or give this one its own folder with --data DIR.`,
        );
      }
      rmSync(this.#file('lock.json'), { force: true });
    }
    throw new UsageError(`Another local stack is just starting on ${this.path}.`);
  }

  /** Empties the folder, but only one that a stack has made. */
  #reset(): void {
    const names = readdirSync(this.path).filter((name) => name !== 'lock.json');
    if (names.length > 0 && !names.includes(MARKER)) {
      this.close();
      throw new UsageError(`--reset empties only folders this program has made, and ${this.path} holds other files.`);
    }
    for (const name of names) rmSync(join(this.path, name), { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.path, name);
  }

  #read<T>(name: string): T | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(name), 'utf8'));
    } catch {
      return undefined;
    }
  }

  #write(name: string, value: unknown, mode = 0o644): void {
    const fresh = this.#file(`${name}.${process.pid}.tmp`);
    writeFileSync(fresh, `${JSON.stringify(value, null, 2)}\n`, { mode });
    renameSync(fresh, this.#file(name));
  }
}

/** Step by step: Node's own recursive way never ends on file systems, such as /proc, that take no new folders. Throws UsageError. */
function makeWritable(path: string): void {
  try {
    const missing: string[] = [];
    let there = path;
    for (; statSync(there, { throwIfNoEntry: false }) === undefined; there = dirname(there)) missing.unshift(there);
    for (const folder of missing) makeFolder(folder);
    // A file says ENOTDIR here, a folder of someone else EACCES.
    readdirSync(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new UsageError(`The data folder ${path} cannot be made or written${code}; choose another with --data DIR.`);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    // Made by another process in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function newKeys(): Keys {
  const secret = (): string => randomBytes(32).toString('base64url');
  return { apiKey: `plk_${secret()}`, adminKey: `pla_${secret()}` };
}

function isAlive(lock: Lock): boolean {
  try {
    process.kill(lock.pid, 0);
  } catch (error) {
    // EPERM: there is such a process, of someone else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  // The number may have gone to another process since.
  return lock.startedAt === processStart(lock.pid);
}

/** Returns a text that distinguishes two processes of the same number by their start; empty where the system does not say it. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}
