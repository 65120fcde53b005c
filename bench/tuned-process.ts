import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BufferJSON } from '@whiskeysockets/baileys';
import type { LinkedDevice } from './linked/devices.ts';
import type { FromTuned, ToTuned } from './tuned-baileys.ts';

/** A process with tuned bare Baileys (bench/tuned-baileys.ts), seen from the benchmark. */
export interface TunedProcess {
  readonly pid: number;
  /** Opens a socket for each device at that rate; resolves when all are open. */
  connect(devices: LinkedDevice[], ratePerSec: number): Promise<void>;
  /** The n-th socket writes to the numbers `to[n]`; answers the seconds until all were acked. */
  send(to: string[][], text: string): Promise<number>;
  stop(): Promise<void>;
}

/** `hostEnv` names the simulator; `folder` takes the file with the devices. */
export async function startTuned(
  hostEnv: Record<string, string>,
  folder: string,
  nodeOptions: string[] = [],
): Promise<TunedProcess> {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--max-semi-space-size=2',
      ...nodeOptions,
      join(import.meta.dirname, 'tuned-baileys.ts'),
    ],
    { env: hostEnv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  const told = <K extends FromTuned['kind']>(kind: K): Promise<Extract<FromTuned, { kind: K }>> =>
    new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`Bare Baileys ended before it said ${kind}.`));
      child.once('exit', gone);
      child.on('message', function hear(message: FromTuned) {
        if (message.kind !== kind) return;
        child.off('message', hear).off('exit', gone);
        resolve(message as Extract<FromTuned, { kind: K }>);
      });
    });
  const say = (message: ToTuned): void => void child.send(message);
  await told('ready');
  return {
    pid: child.pid ?? 0,
    async connect(devices, ratePerSec) {
      const file = join(folder, 'devices.ndjson');
      writeFileSync(file, devices.map((device) => `${JSON.stringify(device, BufferJSON.replacer)}\n`).join(''), {
        mode: 0o600,
      });
      const connected = told('connected');
      say({ kind: 'connect', file, ratePerSec });
      await connected;
    },
    async send(to, text) {
      const sent = told('sent');
      say({ kind: 'send', to, text });
      return (await sent).seconds;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}
