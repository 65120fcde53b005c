import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { World } from '../test/harness/local-stack.ts';
import type { FromBare, ToBare } from './bare-baileys.ts';

/** A process with one socket of bare Baileys at its defaults (bench/bare-baileys.ts), seen from the benchmark. */
export interface UntunedProcess {
  readonly pid: number;
  /** One message to each number; answers seconds until all were acked, and CPU of the process from rest to rest. */
  send(to: string[], text: string): Promise<{ seconds: number; cpuMs: number }>;
  stop(): Promise<void>;
}

/** Starts it and links it with a phone of that number. */
export async function startUntuned(
  world: World,
  hostEnv: Record<string, string>,
  number: string,
): Promise<UntunedProcess> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'bare-baileys.ts')],
    { env: hostEnv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  const told = <K extends FromBare['kind']>(kind: K): Promise<Extract<FromBare, { kind: K }>> =>
    new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`Bare Baileys ended before it said ${kind}.`));
      child.once('exit', gone);
      child.on('message', function hear(message: FromBare) {
        if (message.kind !== kind) return;
        child.off('message', hear).off('exit', gone);
        resolve(message as Extract<FromBare, { kind: K }>);
      });
    });
  await world.simulator('POST', '/phones', { number });
  const { code } = await told('qr');
  const open = told('open');
  await world.simulator('POST', `/phones/${number}/scan`, { code });
  await open;
  return {
    pid: child.pid ?? 0,
    async send(to, text) {
      const sent = told('sent');
      child.send({ kind: 'send', to, text } satisfies ToBare);
      return await sent;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}
