import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BufferJSON } from '@whiskeysockets/baileys';
import { startCommanded } from './commanded-process.ts';
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
  const { pid, received, say, stop } = startCommanded<FromTuned>('tuned-baileys.ts', hostEnv, [
    '--max-semi-space-size=2',
    ...nodeOptions,
  ]);
  await received('ready');
  return {
    pid,
    async connect(devices, ratePerSec) {
      const file = join(folder, 'devices.ndjson');
      writeFileSync(file, devices.map((device) => `${JSON.stringify(device, BufferJSON.replacer)}\n`).join(''), {
        mode: 0o600,
      });
      const connected = received('connected');
      say({ kind: 'connect', file, ratePerSec } satisfies ToTuned);
      await connected;
    },
    async send(to, text) {
      const sent = received('sent');
      say({ kind: 'send', to, text } satisfies ToTuned);
      return (await sent).seconds;
    },
    stop,
  };
}
