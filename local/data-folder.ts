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

/** Ports that are kept over restarts, so that stored addresses stay valid. */
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

/** A mistake of the user, not a failure of the program. The message is printed as it is. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The file that marks a folder as the data folder of a stack. Only the lock is written before it. */
const MARKER = 'keys.json';

/**
 * The folder of one local stack: its lock, ports, keys and `local.json`. The constructor takes the lock and ignores the lock of a process that has
 * ended. It throws UsageError while another stack runs on the folder.
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
    // A process that was killed leaves its state file behind.
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

  /** Removes the state file and the lock. */
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

/** Creates the folder, one level at a time, or throws UsageError. Node's `recursive` option never ends where no folder can be made, as in /proc. */
function makeWritable(path: string): void {
  try {
    const missing: string[] = [];
    let there = path;
    for (; statSync(there, { throwIfNoEntry: false }) === undefined; there = dirname(there)) missing.unshift(there);
    for (const folder of missing) makeFolder(folder);
    // Throws ENOTDIR for a file, EACCES for a folder of another user.
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
    // EPERM: the process exists and belongs to another user.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  // Another process may have the same id by now.
  return lock.startedAt === processStart(lock.pid);
}

/** Returns boot id and start time, to distinguish two processes with the same id. Empty where /proc does not exist. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}
