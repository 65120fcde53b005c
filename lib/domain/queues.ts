/** A queue with one function as its consumer. Its dead-letter queue is `<name>-dlq`, the alarm of that queue `<name>-dead-letters`. */
interface WorkQueueRow {
  /** The queue is named `paceline-<stage>-<name>`; a FIFO queue also ends with `.fifo`. */
  name: string;
  /** True: messages of a group are handled in order, and different groups at the same time. */
  fifo: boolean;
  /** The environment variable with the URL of the queue, the same in every function. */
  urlVariable: `${string}_QUEUE_URL`;
  /** The stack of the queue: `data` for a queue that must survive the deletion of the service stack. */
  stack: 'data' | 'service';
  /** The path of its constructs. Never change it: CloudFormation would replace the queue by a new one, without its messages. */
  path: readonly string[];
  /** The visibility timeout: after it, messages of a killed function come again. It is longer than the timeout of the function. */
  visibilitySec: number;
  /** Receives of one message before it goes to the dead-letter queue. */
  maxReceives: number;
  consumer: {
    /** Timeout of the function. */
    timeoutSec: number;
    batchSize: number;
    /** Most batches handled at the same time. Undefined: the deployment sets it. */
    maxConcurrency?: number;
  };
  /** The sentence of the alarm, and the section of docs/runbook.md that says what to do. */
  deadLetters: { means: string; section: string };
}

/** Longest time for a batch of deliveries: 15 s for an attempt, and time for endpoints with a rate limit. */
const webhookTimeoutSec = 60;
const webhook = {
  visibilitySec: 90,
  // Enough for an outage of half an hour (20 x 90 s). Failed attempts do not count here: the function schedules their retries itself.
  maxReceives: 20,
  deadLetters: { means: 'Webhook deliveries were given up by the queue.', section: 'webhooks' },
};

/**
 * The one list of queues with a function as consumer. The stacks create queues, event sources and alarms from it, and functions get the URLs.
 * Local mode and the tests create their queues from those stacks.
 *
 * To add a queue: add its row here, and a construct in lib/infra that gives it to its function.
 */
export const workQueues = {
  /** Requests to fill the lanes of an account. Each account is a group. */
  feed: {
    name: 'feed',
    fifo: true,
    urlVariable: 'FEED_QUEUE_URL',
    stack: 'service',
    path: ['FeedQueue'],
    visibilitySec: 90,
    maxReceives: 5,
    // A new AWS account may have only ten concurrent executions in all. This limit keeps batches from being throttled, which delays them more.
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
  /** S3 notifications of uploads. They wait here for the import lock of their tenant. The pages bucket notifies the queue, so both share a stack. */
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
/** Returns a row as `WorkQueueRow`, for code that handles all queues alike. */
export const workQueue = (name: WorkQueueName): WorkQueueRow => workQueues[name];
