import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A process of this folder that is commanded over IPC, and sends `From`. */
export interface CommandedProcess<From extends { kind: string }> {
  readonly pid: number;
  say(message: object): void;
  /** The next message of that kind; rejects when the process ends before. */
  received<K extends From['kind']>(kind: K): Promise<Extract<From, { kind: K }>>;
  /** SIGTERM, unless it has ended; resolves when it has. */
  stop(): Promise<void>;
}

export function startCommanded<From extends { kind: string }>(
  file: string,
  env: Record<string, string>,
  nodeOptions: string[] = [],
): CommandedProcess<From> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', ...nodeOptions, join(import.meta.dirname, file)],
    { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  return {
    pid: child.pid ?? 0,
    say: (message) => void child.send(message),
    received: <K extends From['kind']>(kind: K) =>
      new Promise<Extract<From, { kind: K }>>((resolve, reject) => {
        const gone = (): void => reject(new Error(`Bare Baileys ended before it said ${kind}.`));
        child.once('exit', gone);
        child.on('message', function hear(message: From) {
          if (message.kind !== kind) return;
          child.off('message', hear).off('exit', gone);
          resolve(message as Extract<From, { kind: K }>);
        });
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}
