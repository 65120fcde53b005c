import { z } from 'zod';
import { deploymentShape, hostSettings, webhookSettings } from '../domain/settings.ts';
import { accountsIn } from './host-memory.ts';

/**
 * The aim for accounts on a host with one vCPU. More vCPUs do not raise it, because the process works on one core. At the default pace, 175
 * messages an hour each, 1,000 accounts send 49 messages a second at most. At 10 ms of CPU a message to a new number (docs/benchmarks.md) that is
 * half a core. The rest is for the TLS of real AWS and for taking over the accounts of a dead host, 20 ms a connection.
 */
const accountsPerVcpu = 1_000;

/** The highest aim for accounts on a host of this memory. It is below the most that a host takes: full hosts must be above the aim. */
const mostAimedAt = (memoryMiB: number): number => Math.floor(accountsIn(memoryMiB) * 0.9);

const count = z.coerce.number().int().min(0).max(100);

const given = z.object({
  /** The name of the stage, which is part of every name in the AWS account. */
  stage: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,11}$/, 'must be a lower-case letter and up to 11 more letters or digits')
    .default('dev'),
  /** Says whether table, buckets and key stay when the data stack is destroyed. */
  removal: z.enum(['retain', 'destroy']).optional(),
  /** `public`: a task has its own changing address. `nat-eip`: all tasks share one fixed address. */
  egress: z.enum(['public', 'nat-eip']).default('public'),
  /** The number of socket hosts that always run. With 0 orders are accepted and nothing is sent. */
  hosts: count.default(1),
  /** The upper bound of the autoscaling. A value equal to `hosts` switches it off. */
  maxHosts: count.optional(),
  /** The CPU units of a host; 1024 are one vCPU. */
  hostCpu: z.coerce
    .number()
    .pipe(z.union([z.literal(256), z.literal(512), z.literal(1024), z.literal(2048), z.literal(4096)]))
    .default(512),
  hostMemoryMiB: z.coerce.number().int().optional(),
  /** The average number of accounts on a host that the autoscaling aims at. */
  accountsPerHost: z.coerce.number().int().min(10).optional(),
  /** Runs hosts on Fargate Spot at about a third of the price: all hosts, or all but the first where there are always two or more. */
  spot: z.stringbool().or(z.boolean()).default(false),
  /** The number of batches of webhook deliveries handled at once. A dead endpoint takes up to four, for 15 s, until its breaker opens. */
  webhookConcurrency: z.coerce.number().int().min(2).max(1000).default(20),
  ...deploymentShape(hostSettings),
  ...deploymentShape(webhookSettings),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** The SNS topic that alarms notify. Without it alarms are seen in CloudWatch only. */
  alarmTopicArn: z.string().startsWith('arn:').optional(),
});

const schema = given
  .transform((chosen) => ({
    ...chosen,
    removal: chosen.removal ?? (chosen.stage === 'local' ? ('destroy' as const) : ('retain' as const)),
    maxHosts: chosen.maxHosts ?? Math.max(4, chosen.hosts),
    hostMemoryMiB: chosen.hostMemoryMiB ?? chosen.hostCpu * 2,
    accountsPerHost: chosen.accountsPerHost ?? Math.min(accountsPerVcpu, (accountsPerVcpu * chosen.hostCpu) / 1024),
  }))
  .refine((settings) => settings.maxHosts >= settings.hosts, {
    path: ['maxHosts'],
    message: 'must not be below hosts',
  })
  .refine(({ hostCpu, hostMemoryMiB }) => hostMemoryMiB >= hostCpu * 2 && hostMemoryMiB <= hostCpu * 8, {
    path: ['hostMemoryMiB'],
    message: 'must be 2 to 8 times hostCpu (Fargate has no other sizes)',
    // The next check needs a valid memory size.
    abort: true,
  })
  .superRefine(({ accountsPerHost, hostMemoryMiB }, context) => {
    const most = mostAimedAt(hostMemoryMiB);
    if (accountsPerHost <= most) return;
    context.addIssue({
      code: 'custom',
      path: ['accountsPerHost'],
      message: `must be at most ${most}, 90 % of the ${accountsIn(hostMemoryMiB)} accounts that a host with ${hostMemoryMiB} MiB takes`,
    });
  });

/** The settings of a deployment, each a context value: `-c stage=prod -c egress=nat-eip`. */
export type Settings = z.infer<typeof schema>;

/** Reads and checks the settings. Throws one sentence that names every bad one. */
export function readSettings(context: (name: string) => unknown): Settings {
  const values = Object.fromEntries(
    Object.keys(given.shape).flatMap((name) => (context(name) === undefined ? [] : [[name, context(name)]])),
  );
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new Error(`A setting is not valid: ${problems}. docs/deploy.md lists them.`);
}

/** Returns a name in the AWS account: `paceline-<stage>-<thing>`. Several stages can share an account. */
export function physicalName(stage: string, thing: string): string {
  return `paceline-${stage}-${thing}`;
}

/** Returns the CloudWatch namespace of a stage's own metrics. AWS's metrics have the stage in their names. */
export const metricNamespace = (stage: string): string => `Paceline/${stage}`;

/** Returns the name prefix of the lanes: two FIFO queues an account, made at run time. */
export const lanePrefix = (stage: string): string => physicalName(stage, 'lane-');

/** Returns the name prefix of the wake queues: one a host, made at run time. Deployed stages have queues named `inbox-`, so the prefix stays. */
export const wakeQueuePrefix = (stage: string): string => physicalName(stage, 'inbox-');
