import { z } from 'zod';
import { standardScheduleSec } from './webhooks/schedule.ts';

/**
 * A setting of a running process, defined only here. A context value of the deployment (`-c reconnectBaseMs=5000`) becomes an environment
 * variable, which the process parses when it starts (lib/runtime/config.ts).
 *
 * To add a setting: add its row, read it from the config where it is needed, and list it in docs/deploy.md and docs/settings.md.
 */
interface Setting<Variable extends string, Deployment extends z.ZodType, Process extends z.ZodType> {
  variable: Variable;
  /** The values that a deployment may choose. If the schema has a default, the variable is always set; otherwise only for a chosen value. */
  deployment: Deployment;
  /** The values that a process accepts. Benchmarks and tests use some that a deployment may not choose. */
  process: Process;
}

function setting<V extends string, D extends z.ZodType, P extends z.ZodType>(
  variable: V,
  deployment: D,
  process: P,
): Setting<V, D, P> {
  return { variable, deployment, process };
}

/** A setting whose deployment and process accept the same values. */
function same<V extends string, S extends z.ZodType>(variable: V, schema: S): Setting<V, S, S> {
  return { variable, deployment: schema, process: schema };
}

const whole = z.coerce.number().int();
const authCacheMiB = 4096;
const connectsPerSec = 10;

export const hostSettings = {
  /**
   * Disk space (MiB) for the keys of a host's accounts; a task has 20 GB. Above it the host accepts no more accounts. The file never exceeds
   * 1.25 times this size (socket-host/auth/cache.ts).
   */
  authCacheMiB: setting(
    'AUTH_CACHE_MB',
    whole.min(64).max(12_000).default(authCacheMiB),
    whole.min(1).max(1_000_000).default(authCacheMiB),
  ),
  /** Most connections that a host opens per second, to limit the load after an outage. Draining hosts together give a host half as many accounts. */
  connectsPerSec: setting(
    'CONNECTS_PER_SEC',
    whole.min(1).max(100).default(connectsPerSec),
    z.coerce.number().positive().max(1000).default(connectsPerSec),
  ),
  /** Wait before an account's second try to reconnect. It doubles with each further try, up to 60 s. The first try comes within half a second. */
  reconnectBaseMs: same('RECONNECT_BASE_MS', whole.min(100).max(60_000).default(2000)),
  /** Messages of one chat that come within so many ms of each other are one event, after five times that at most; 0: each by itself. */
  inboundBatchMs: same('INBOUND_BATCH_MS', whole.min(0).max(60_000).default(2000)),
};

const scheduleText = z
  .string()
  .regex(/^0(,\d{1,7}){0,19}$/, 'must be 0 and up to nineteen more whole numbers with commas between them');

/** Settings of functions/webhook. */
export const webhookSettings = {
  /** Seconds before each attempt of a delivery, comma-separated. The first value is 0: the first attempt is made at once. */
  webhookScheduleSec: setting(
    'WEBHOOK_SCHEDULE_SEC',
    scheduleText.optional(),
    scheduleText.transform((text) => text.split(',').map(Number)).default([...standardScheduleSec]),
  ),
  /** Seconds in which a receiver must answer, including name resolution and connection. */
  webhookTimeoutSec: setting('WEBHOOK_TIMEOUT_SEC', whole.min(1).max(30).optional(), whole.min(1).max(30).default(15)),
};

type Settings = Record<string, Setting<string, z.ZodType, z.ZodType>>;
type DeploymentShape<S extends Settings> = { [Name in keyof S]: S[Name]['deployment'] };
type ProcessShape<S extends Settings> = { [Name in keyof S as S[Name]['variable']]: S[Name]['process'] };

/** Returns the schema of each setting for a deployment, by name. */
export function deploymentShape<S extends Settings>(settings: S): DeploymentShape<S> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { deployment }]) => [name, deployment]),
  ) as DeploymentShape<S>;
}

/** Returns the schema of each setting for a process, by environment variable. */
export function processShape<S extends Settings>(settings: S): ProcessShape<S> {
  return Object.fromEntries(
    Object.values(settings).map(({ variable, process }) => [variable, process]),
  ) as ProcessShape<S>;
}

/** Returns the environment of a process with the settings of the deployment; a setting without a value is left out. */
export function environmentOf<S extends Settings>(
  settings: S,
  chosen: { readonly [Name in keyof S]?: unknown },
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, { variable }]) =>
      chosen[name] === undefined ? [] : [[variable, String(chosen[name])]],
    ),
  );
}
