import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogFile } from './log-file.ts';

/** Program, arguments and environment of a process. They are computed at each start, because ports may have changed. */
export interface Launch {
  /** The module to run with the current Node. */
  entry: string;
  args?: string[];
  env: Record<string, string>;
  cwd?: string;
}

export interface ChildOptions {
  name: string;
  launch: () => Launch;
  logPath: string;
  /** The sign that the process is ready: an IPC message `{type:'ready', ..}`, or its first line of JSON on stdout. */
  readyBy: 'message' | 'json-line';
  /** Time between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Called each time the process becomes ready, restarts included. */
  onReady?: (ready: Record<string, unknown>, pid: number) => void;
  /** Called each time the process is ready after a restart, with a sentence that names its log. */
  onRestart?: (sentence: string) => void;
  onMessage?: (message: unknown) => void;
  onExit?: () => void;
}

const READY_WITHIN_MS = 30_000;
const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 1500;
const HEALTHY_AFTER_MS = 10_000;

/**
 * One process that is kept running. States:
 *
 *   new -> starting -> ready -> (died) -> waiting -> starting ..      any -> stopping -> stopped
 *
 * `start` resolves at the first ready, and rejects when the process ends before it. Later, a process that ends is restarted after 50 ms. This wait
 * doubles, up to 1.5 s, while the process keeps ending within ten seconds.
 */
export class Child {
  readonly name: string;
  readonly #options: ChildOptions;
  readonly #log: LogFile;
  readonly #stopping = new AbortController();
  #process: ChildProcess | undefined;
  #running: Promise<void> | undefined;
  #isReady = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.name = options.name;
    this.#log = new LogFile(options.logPath);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get ready(): boolean {
    return this.#isReady;
  }

  async start(): Promise<Record<string, unknown>> {
    const first = Promise.withResolvers<Record<string, unknown>>();
    this.#running = this.#keepRunning(first);
    return first.promise;
  }

  /** Sends a message. Returns false when no process is connected. */
  send(message: object): boolean {
    const child = this.#process;
    if (child?.connected !== true) return false;
    // A failed write means that the process has just died; `onExit` follows.
    child.send(message, () => undefined);
    return true;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Ends the process. Resolves when it has ended, at the latest shortly after `graceMs`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#process;
    child?.kill('SIGTERM');
    const killer = setTimeout(() => child?.kill('SIGKILL'), this.#options.graceMs);
    await this.#running;
    clearTimeout(killer);
    this.#log.close();
  }

  async #keepRunning(first: PromiseWithResolvers<Record<string, unknown>>): Promise<void> {
    const signal = this.#stopping.signal;
    let delayMs = FIRST_DELAY_MS;
    let wasReady = false;
    let ended: string | undefined;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const reason = await this.#runOnce((ready, pid) => {
        wasReady = true;
        this.#options.onReady?.(ready, pid);
        if (ended !== undefined) {
          const { name } = this;
          this.#options.onRestart?.(`${name} ended (${ended}) and was started again; its log is ${this.#log.path}`);
        }
        first.resolve(ready);
      });
      this.#options.onExit?.();
      ended = reason;
      if (!wasReady) {
        first.reject(new Error(`${this.name} did not start (${reason}). ${this.#log.tail.trim()}`.trim()));
        return;
      }
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) delayMs = FIRST_DELAY_MS;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, MAX_DELAY_MS);
    }
  }

  async #runOnce(onReady: (ready: Record<string, unknown>, pid: number) => void): Promise<string> {
    const child = launch(this.#options.launch());
    this.#process = child;
    const gone = Promise.withResolvers<string>();
    child.once('error', (error) => gone.resolve(error.message));
    child.once('exit', (code, exitSignal) => gone.resolve(exitSignal ?? `exit code ${code}`));
    const becomeReady = (ready: Record<string, unknown>): void => {
      if (this.#isReady || this.#stopping.signal.aborted) return;
      this.#isReady = true;
      clearTimeout(tooLate);
      onReady(ready, child.pid ?? 0);
    };
    const tooLate = setTimeout(() => {
      this.#log.write(`${this.name} was not ready after ${READY_WITHIN_MS / 1000} s and is ended.\n`);
      child.kill('SIGKILL');
    }, READY_WITHIN_MS);
    child.stderr?.on('data', (chunk: Buffer) => this.#log.write(chunk));
    if (this.#options.readyBy === 'json-line') this.#readFirstLine(child, becomeReady);
    else child.stdout?.on('data', (chunk: Buffer) => this.#log.write(chunk));
    child.on('message', (message) => {
      if (this.#options.readyBy === 'message' && isRecord(message) && message.type === 'ready') becomeReady(message);
      else this.#options.onMessage?.(message);
    });
    const reason = await gone.promise;
    clearTimeout(tooLate);
    this.#process = undefined;
    this.#isReady = false;
    this.#log.write(`${this.name} ended: ${reason}\n`);
    return reason;
  }

  #readFirstLine(child: ChildProcess, becomeReady: (ready: Record<string, unknown>) => void): void {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = this.#isReady ? undefined : parseRecord(line);
      if (parsed !== undefined) becomeReady(parsed);
      // The first line may carry keys; it is for the supervisor alone.
      else this.#log.write(`${line}\n`);
    });
  }
}

function launch({ entry, args = [], env, cwd }: Launch): ChildProcess {
  const leash = new URL('./leash.ts', import.meta.url).href;
  const flags = ['--disable-warning=ExperimentalWarning', '--import', leash];
  return spawn(process.execPath, [...flags, entry, ...args], {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Its own group: a Ctrl-C in the terminal reaches the supervisor alone, which ends the children in order.
    detached: true,
  });
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
