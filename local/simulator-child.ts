import { join } from 'node:path';
import type { DataFolder } from './data-folder.ts';
import { freePort } from './emulators/ports.ts';
import { Child } from './process/child.ts';

export interface LocalSimulator {
  child: Child;
  url: string;
  /** Environment variables that connect a host to this simulator. */
  whatsapp: Record<string, string>;
}

const SIMULATOR_GRACE_MS = 2000;

/** Starts the simulator with the phones and counters of the last run, on the same port where that is free. */
export async function startSimulatorChild(
  folder: DataFolder,
  projectDir: string,
  environment: Record<string, string>,
  onRestart: (sentence: string) => void,
): Promise<LocalSimulator> {
  folder.ports.simulator = await freePort(folder.ports.simulator);
  const simulator: LocalSimulator = {
    child: new Child({
      name: 'simulator',
      launch: () => ({
        entry: join(projectDir, 'simulator', 'main.ts'),
        env: {
          ...environment,
          SIMULATOR_PORT: String(folder.ports.simulator),
          SIMULATOR_DATA_DIR: folder.folder('simulator'),
        },
        cwd: projectDir,
      }),
      logPath: folder.logPath('simulator'),
      readyBy: 'json-line',
      graceMs: SIMULATOR_GRACE_MS,
      onRestart,
      onReady: (ready) => {
        simulator.url = String(ready.url ?? '');
        simulator.whatsapp = {
          WHATSAPP_URL: String(ready.whatsappUrl ?? ''),
          WHATSAPP_ROOT_KEY: String(ready.rootKeyHex ?? ''),
        };
      },
    }),
    url: '',
    whatsapp: {},
  };
  try {
    await simulator.child.start();
  } catch (error) {
    await simulator.child.stop();
    throw error;
  }
  return simulator;
}
