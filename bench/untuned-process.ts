import type { World } from '../test/harness/local-stack.ts';
import type { FromBare, ToBare } from './bare-baileys.ts';
import { startCommanded } from './commanded-process.ts';

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
  const { pid, received, say, stop } = startCommanded<FromBare>('bare-baileys.ts', hostEnv);
  await world.simulator('POST', '/phones', { number });
  const { code } = await received('qr');
  const open = received('open');
  await world.simulator('POST', `/phones/${number}/scan`, { code });
  await open;
  return {
    pid,
    async send(to, text) {
      const sent = received('sent');
      say({ kind: 'send', to, text } satisfies ToBare);
      return await sent;
    },
    stop,
  };
}
