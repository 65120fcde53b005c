import { z } from 'zod';
import { drainSec, mostAccounts } from '../domain/hosts/ownership.ts';
import { standardScheduleSec } from '../domain/webhooks/schedule.ts';

const shared = {
  STAGE: z.string().regex(/^[a-z][a-z0-9]{0,11}$/),
  TABLE_NAME: z.string().min(3),
  PAGES_BUCKET: z.string().min(3),
  AUTH_BUCKET: z.string().min(3),
  FEED_QUEUE_URL: z.url(),
  LANE_PREFIX: z.string().min(1),
  INBOX_PREFIX: z.string().min(1),
  LANE_DLQ_ARN: z.string().startsWith('arn:'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
};
const functionSchema = z.object({
  ...shared,
  /** FIFO queue of webhook deliveries that are due, and the queue that holds back those due within 15 minutes. */
  WEBHOOK_QUEUE_URL: z.url(),
  WEBHOOK_LATER_QUEUE_URL: z.url(),
  /** Where S3's notes of uploads come in, and wait for their tenant's turn. */
  IMPORT_QUEUE_URL: z.url(),
});
const webhookSchema = z.object({
  ...functionSchema.shape,
  /** Seconds before each attempt of a delivery, comma-separated; the first is made at once, which is what the 0 says. */
  WEBHOOK_SCHEDULE_SEC: z
    .string()
    .regex(/^0(,\d{1,7}){0,19}$/)
    .transform((text) => text.split(',').map(Number))
    .default([...standardScheduleSec]),
  /** For an attempt, name and connection included. */
  WEBHOOK_TIMEOUT_SEC: z.coerce.number().int().min(1).max(30).default(15),
});
const hostSchema = z.object({
  ...shared,
  /** Default: WhatsApp's own server. */
  WHATSAPP_URL: z.url().optional(),
  /** Hex of the noise root key of a test server; refused outside stage `local`. */
  WHATSAPP_ROOT_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .optional(),
  HOST_DATA_DIR: z.string().default('/tmp/paceline-host'),
  /** What the host's key cache may take below HOST_DATA_DIR before it accepts no more accounts, in MiB; the file ends at 1.25 times this. */
  AUTH_CACHE_MB: z.coerce.number().int().min(1).max(1_000_000).default(4096),
  /** With so many accounts the host claims no more; how many its memory bears says lib/infra/host-memory.ts. */
  MAX_ACCOUNTS: z.coerce.number().int().min(1).default(mostAccounts),
  METRICS_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  /** Connections a host opens per second at most, so that an outage does not end in a stampede. */
  CONNECTS_PER_SEC: z.coerce.number().positive().max(1000).default(10),
  /** Wait before the second try to connect again; it doubles with each further one, up to 60 s. The first comes within half a second. */
  RECONNECT_BASE_MS: z.coerce.number().int().min(100).max(60_000).default(2000),
  /** Messages of one chat that come within so many ms of each other are told as one event, after five times that at most; 0: each by itself. */
  INBOUND_BATCH_MS: z.coerce.number().int().min(0).max(60_000).default(2000),
  DRAIN_SEC: z.coerce.number().int().min(1).max(drainSec).default(drainSec),
});

export type FunctionConfig = z.infer<typeof functionSchema>;
export type WebhookConfig = z.infer<typeof webhookSchema>;
export type HostConfig = z.infer<typeof hostSchema>;

/** The environment of a function, parsed once in its entry point; throws one sentence that names each bad variable. */
export function functionConfig(env: NodeJS.ProcessEnv): FunctionConfig {
  return parse(functionSchema, env);
}

/** The environment of functions/webhook, likewise. */
export function webhookConfig(env: NodeJS.ProcessEnv): WebhookConfig {
  return parse(webhookSchema, env);
}

export function hostConfig(env: NodeJS.ProcessEnv): HostConfig {
  const config = parse(hostSchema, env);
  if (config.WHATSAPP_ROOT_KEY !== undefined && config.STAGE !== 'local') {
    throw new Error('WHATSAPP_ROOT_KEY is only for stage "local": remove it, or hosts would trust a foreign server.');
  }
  return config;
}

function parse<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): z.infer<T> {
  const result = schema.safeParse(env);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new Error(`The environment is not complete: ${problems}. The deployed stacks set these variables.`);
}
