import { z } from 'zod';
import { drainSec, mostAccounts } from '../domain/hosts/ownership.ts';
import { type QueueUrlVariable, workQueues } from '../domain/queues.ts';
import { hostSettings, processShape, webhookSettings } from '../domain/settings.ts';

const shared = {
  STAGE: z.string().regex(/^[a-z][a-z0-9]{0,11}$/),
  TABLE_NAME: z.string().min(3),
  PAGES_BUCKET: z.string().min(3),
  AUTH_BUCKET: z.string().min(3),
  FEED_QUEUE_URL: z.url(),
  LANE_PREFIX: z.string().min(1),
  WAKE_QUEUE_PREFIX: z.string().min(1),
  LANE_DLQ_ARN: z.string().startsWith('arn:'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
};
const queueUrls = Object.fromEntries(
  Object.values(workQueues).map(({ urlVariable }) => [urlVariable, z.url()]),
) as Record<QueueUrlVariable, z.ZodURL>;

/** Every function gets the URL of every queue; a host needs only the feed queue. */
const functionSchema = z.object({ ...shared, ...queueUrls });
const webhookSchema = z.object({ ...functionSchema.shape, ...processShape(webhookSettings) });
const hostSchema = z.object({
  ...shared,
  ...processShape(hostSettings),
  /** Default: WhatsApp's own server. */
  WHATSAPP_URL: z.url().optional(),
  /** Hex of the noise root key of a test server; refused outside stage `local`. */
  WHATSAPP_ROOT_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .optional(),
  HOST_DATA_DIR: z.string().default('/tmp/paceline-host'),
  /** Most accounts that a host claims. lib/infra/host-memory.ts computes it from the memory. */
  MAX_ACCOUNTS: z.coerce.number().int().min(1).default(mostAccounts),
  METRICS_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  DRAIN_SEC: z.coerce.number().int().min(1).max(drainSec).default(drainSec),
});

export type FunctionConfig = z.infer<typeof functionSchema>;
export type WebhookConfig = z.infer<typeof webhookSchema>;
export type HostConfig = z.infer<typeof hostSchema>;

/** Parses the environment of a function. Call it once, in the entry point. Throws an Error that names each wrong variable. */
export function functionConfig(env: NodeJS.ProcessEnv): FunctionConfig {
  return parse(functionSchema, env);
}

/** Parses the environment of functions/webhook, like `functionConfig`. */
export function webhookConfig(env: NodeJS.ProcessEnv): WebhookConfig {
  return parse(webhookSchema, env);
}

/** Parses the environment of a socket host, like `functionConfig`. Also throws for a root key outside stage `local`. */
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
