/** A queue that one function works off. Its dead-letter queue is `<name>-dlq`, and the alarm of that one `<name>-dead-letters`. */
interface WorkQueueRow {
  /** Both queues are named `paceline-<stage>-<name>`, with `.fifo` behind it for a FIFO queue. */
  name: string;
  /** FIFO: order within a message group, and as many groups at once as there are. */
  fifo: boolean;
  /** The environment variable with the URL of the queue, the same in every function. */
  urlVariable: `${string}_QUEUE_URL`;
  /** `data` for a queue that outlives the service stack. `path` names its constructs: another path makes a new queue and loses the old one. */
  stack: 'data' | 'service';
  path: readonly string[];
  /** How long a batch of a killed function stays away; above the function's timeout. */
  visibilitySec: number;
  /** Receives of one message before it goes to the dead-letter queue. */
  maxReceives: number;
  consumer: {
    /** Timeout of the function. */
    timeoutSec: number;
    batchSize: number;
    /** Batches worked off at once. Undefined: a setting of the deployment says how many. */
    maxConcurrency?: number;
  };
  /** The sentence of the alarm, and the heading of docs/runbook.md that says what to do. */
  deadLetters: { means: string; section: string };
}

/** Seconds a batch of deliveries may take: an attempt of 15, and time for endpoints with a rate limit. */
const webhookTimeoutSec = 60;
const webhook = {
  visibilitySec: 90,
  // Half an hour of an outage. The function itself repeats attempts with growing pauses.
  maxReceives: 20,
  deadLetters: { means: 'Webhook deliveries were given up by the queue.', section: 'webhooks' },
};

/**
 * The one list of queues that functions work off. The stacks make queues, event sources and alarms of it, functions get the URLs, and local
 * mode and the tests provision from those stacks.
 *
 * To add a queue: add its row here, and a construct in lib/infra that gives it to its function.
 */
export const workQueues = {
  /** Requests to fill the lanes of an account, one group an account. */
  feed: {
    name: 'feed',
    fifo: true,
    urlVariable: 'FEED_QUEUE_URL',
    stack: 'service',
    path: ['FeedQueue'],
    visibilitySec: 90,
    maxReceives: 5,
    // A new AWS account may have ten concurrent executions for everything. Bounded here, no throttled batch waits longer.
    consumer: { timeoutSec: 60, batchSize: 10, maxConcurrency: 4 },
    deadLetters: { means: 'Feed requests were given up.', section: 'feed' },
  },
  /** Webhook deliveries that are due, grouped by endpoint. */
  webhookDue: {
    ...webhook,
    name: 'webhook',
    fifo: true,
    urlVariable: 'WEBHOOK_QUEUE_URL',
    stack: 'service',
    path: ['WebhookQueues', 'Due'],
    consumer: { timeoutSec: webhookTimeoutSec, batchSize: 10 },
  },
  /** Webhook deliveries held back for up to 15 minutes, which a FIFO queue cannot do. */
  webhookLater: {
    ...webhook,
    name: 'webhook-later',
    fifo: false,
    urlVariable: 'WEBHOOK_LATER_QUEUE_URL',
    stack: 'service',
    path: ['WebhookQueues', 'Later'],
    consumer: { timeoutSec: webhookTimeoutSec, batchSize: 10, maxConcurrency: 2 },
  },
  /** S3's notes of uploads. They wait here for the import lock of their tenant. The pages bucket notifies the queue, so both are in one stack. */
  import: {
    name: 'import',
    fifo: false,
    urlVariable: 'IMPORT_QUEUE_URL',
    stack: 'data',
    path: ['ImportQueue'],
    visibilitySec: 960,
    maxReceives: 3,
    // Lambda's longest timeout.
    consumer: { timeoutSec: 900, batchSize: 1, maxConcurrency: 2 },
    deadLetters: { means: 'Imports were given up.', section: 'import' },
  },
} as const satisfies Record<string, WorkQueueRow>;

export type WorkQueueName = keyof typeof workQueues;
export type QueueUrlVariable = (typeof workQueues)[WorkQueueName]['urlVariable'];
/** A row with every optional field, for code that takes any of them. */
export const workQueue = (name: WorkQueueName): WorkQueueRow => workQueues[name];
