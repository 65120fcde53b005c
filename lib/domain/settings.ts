import { z } from 'zod';
import { standardScheduleSec } from './webhooks/schedule.ts';

/**
 * A setting of a running process. It has one home, here: a context value of the deployment (`-c reconnectBaseMs=5000`) becomes an environment
 * variable, which the process parses when it starts (lib/runtime/config.ts).
 *
 * To add a setting: add its row, read it from the config where it is needed, and list it in docs/deploy.md and docs/settings.md.
 */
interface Setting<Variable extends string, Deployment extends z.ZodType, Process extends z.ZodType> {
  variable: Variable;
  /** What a deployment may choose. With a default the variable is always set, else only when the deployment chose a value. */
  deployment: Deployment;
  /** What a process accepts; benches and tests may go beyond what a deployment may choose. */
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
   * What the keys of a host's accounts may take of its disk, of which a task has 20 GB. Above it the host accepts no more accounts; at 1.25
   * times it the file grows no further (socket-host/auth/cache.ts).
   */
  authCacheMiB: setting(
    'AUTH_CACHE_MB',
    whole.min(64).max(12_000).default(authCacheMiB),
    whole.min(1).max(1_000_000).default(authCacheMiB),
  ),
  /** Connections a host opens per second at most, so that an outage does not end in a stampede; drains give a host half as many. */
  connectsPerSec: setting(
    'CONNECTS_PER_SEC',
    whole.min(1).max(100).default(connectsPerSec),
    z.coerce.number().positive().max(1000).default(connectsPerSec),
  ),
  /** Wait before an account's second try to connect again; it doubles with each further one, up to 60 s. The first comes within half a second. */
  reconnectBaseMs: same('RECONNECT_BASE_MS', whole.min(100).max(60_000).default(2000)),
  /** Messages of one chat that come within so many ms of each other are one event, after five times that at most; 0: each by itself. */
  inboundBatchMs: same('INBOUND_BATCH_MS', whole.min(0).max(60_000).default(2000)),
};

const scheduleText = z
  .string()
  .regex(/^0(,\d{1,7}){0,19}$/, 'must be 0 and up to nineteen more whole numbers with commas between them');

/** Settings of functions/webhook. */
export const webhookSettings = {
  /** Seconds before each attempt of a delivery, comma-separated; the first is made at once, which is what the 0 says. */
  webhookScheduleSec: setting(
    'WEBHOOK_SCHEDULE_SEC',
    scheduleText.optional(),
    scheduleText.transform((text) => text.split(',').map(Number)).default([...standardScheduleSec]),
  ),
  /** Seconds a receiver may take to answer, name and connection included. */
  webhookTimeoutSec: setting('WEBHOOK_TIMEOUT_SEC', whole.min(1).max(30).optional(), whole.min(1).max(30).default(15)),
};

type Settings = Record<string, Setting<string, z.ZodType, z.ZodType>>;
type DeploymentShape<S extends Settings> = { [Name in keyof S]: S[Name]['deployment'] };
type ProcessShape<S extends Settings> = { [Name in keyof S as S[Name]['variable']]: S[Name]['process'] };

/** Returns the fields of a deployment's schema, by the names of the settings. */
export function deploymentShape<S extends Settings>(settings: S): DeploymentShape<S> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { deployment }]) => [name, deployment]),
  ) as DeploymentShape<S>;
}

/** Returns the fields of a process's schema, by the names of the variables. */
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
