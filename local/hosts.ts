import { join } from 'node:path';
import { Child } from './process/child.ts';
import type { HostPlan } from './template/plan.ts';

export interface LocalHost {
  /** 1, 2, .. */
  readonly index: number;
  readonly child: Child;
  /** Values that the host printed at its last start. */
  readonly ready: { hostId: string; metricsUrl: string | undefined };
}

/** Seconds that a host has to hand over its accounts when the stack ends. The template's value is meant for Fargate. */
const DRAIN_SEC = 5;

export function localHost(options: {
  index: number;
  plan: HostPlan;
  projectDir: string;
  dataDir: string;
  logPath: string;
  environment: () => Record<string, string>;
  /** Overrides the environment of the template. */
  more: () => Record<string, string>;
  whatsapp: () => Record<string, string>;
  onChange: () => void;
  onRestart: (sentence: string) => void;
}): LocalHost {
  const { plan, index } = options;
  const ready: LocalHost['ready'] = { hostId: '', metricsUrl: undefined };
  const child = new Child({
    name: `host ${index}`,
    launch: () => {
      const env: Record<string, string> = {
        // The template's variables override those of the user's shell.
        ...options.environment(),
        ...plan.environment,
        DRAIN_SEC: String(DRAIN_SEC),
        ...options.more(),
        ...options.whatsapp(),
        HOST_DATA_DIR: options.dataDir,
        METRICS_PORT: '0',
      };
      return { entry: join(options.projectDir, plan.entry), env, cwd: options.projectDir };
    },
    logPath: options.logPath,
    readyBy: 'json-line',
    graceMs: (DRAIN_SEC + 2) * 1000,
    onRestart: options.onRestart,
    onReady: (message) => {
      ready.hostId = String(message.hostId ?? '');
      ready.metricsUrl = typeof message.metricsUrl === 'string' ? message.metricsUrl : undefined;
      options.onChange();
    },
  });
  return { index, child, ready };
}
