import { Duration } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import {
  DeduplicationScope,
  FifoThroughputLimit,
  Queue,
  QueueEncryption,
  type QueueProps,
  RedrivePermission,
} from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { type QueueUrlVariable, type WorkQueueName, workQueue, workQueues } from '../domain/queues.ts';
import type { Alarms } from './alarms.ts';
import type { StageFunction } from './function.ts';
import { physicalName, type Settings } from './settings.ts';
import { acknowledge, allow, type Worker } from './worker.ts';

const secure: QueueProps = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
/** FIFO with order within a group only: all groups are handled at once. */
const fifo: QueueProps = {
  fifo: true,
  contentBasedDeduplication: false,
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
};
/** The longest retention of SQS. No message may vanish while a function is down, or while an endpoint is slow. */
const longest = Duration.days(14);

/** A queue that feeds a function, with its dead-letter queue: one row of lib/domain/queues.ts. */
export class WorkQueue extends Construct {
  readonly queue: Queue;
  readonly #deadLetters: Queue;
  readonly #row: ReturnType<typeof workQueue>;

  constructor(scope: Construct, id: string, settings: Settings, name: WorkQueueName) {
    super(scope, id);
    this.#row = workQueue(name);
    const kind = this.#row.fifo ? fifo : {};
    const suffix = this.#row.fifo ? '.fifo' : '';
    this.#deadLetters = new Queue(this, 'DeadLetters', {
      queueName: physicalName(settings.stage, `${this.#row.name}-dlq${suffix}`),
      ...secure,
      ...kind,
      retentionPeriod: longest,
    });
    this.queue = new Queue(this, 'Queue', {
      queueName: physicalName(settings.stage, `${this.#row.name}${suffix}`),
      ...secure,
      ...kind,
      visibilityTimeout: Duration.seconds(this.#row.visibilitySec),
      retentionPeriod: longest,
      deadLetterQueue: { queue: this.#deadLetters, maxReceiveCount: this.#row.maxReceives },
    });
  }

  /** The timeout of the function that consumes the queue. */
  get timeoutSec(): number {
    return this.#row.consumer.timeoutSec;
  }

  allowSend(worker: Worker): void {
    allow(worker, ['sqs:SendMessage'], [this.queue.queueArn]);
  }

  /** Lets the function consume the queue, and watches the dead letters. Give `maxConcurrency` for queues whose row has none. */
  feeds(consumer: StageFunction, alarms: Alarms, options: { maxConcurrency?: number } = {}): void {
    const { batchSize, maxConcurrency } = { ...this.#row.consumer, ...options };
    consumer.function.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize,
        ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
        reportBatchItemFailures: true,
      }),
    );
    const { means, section } = this.#row.deadLetters;
    alarms.addDeadLetters(`${this.#row.name}-dead-letters`, section, this.#deadLetters, means);
  }
}

/** Every work queue, by its name in lib/domain/queues.ts. */
export type WorkQueues = Readonly<Record<WorkQueueName, WorkQueue>>;
type QueuesOf<Stack> = {
  [Name in WorkQueueName as (typeof workQueues)[Name]['stack'] extends Stack ? Name : never]: WorkQueue;
};

/** Creates the work queues of one stack. */
export function createWorkQueues<S extends 'data' | 'service'>(
  stack: S,
  scope: Construct,
  settings: Settings,
): QueuesOf<S> {
  const made = (Object.keys(workQueues) as WorkQueueName[])
    .filter((name) => workQueues[name].stack === stack)
    .map((name) => {
      const { path } = workQueue(name);
      const parent = path.slice(0, -1).reduce((above, id) => childOf(above, id), scope);
      return [name, new WorkQueue(parent, path.at(-1) ?? name, settings, name)];
    });
  return Object.fromEntries(made) as QueuesOf<S>;
}

function childOf(scope: Construct, id: string): Construct {
  return (scope.node.tryFindChild(id) as Construct | undefined) ?? new Construct(scope, id);
}

/** Returns the environment variables with the URL of each queue. */
export function queueUrls(queues: WorkQueues): Record<QueueUrlVariable, string> {
  const urls = (Object.keys(workQueues) as WorkQueueName[]).map((name) => [
    workQueues[name].urlVariable,
    queues[name].queue.queueUrl,
  ]);
  return Object.fromEntries(urls) as Record<QueueUrlVariable, string>;
}

/**
 * Creates the queue for stream batches that failed every retry. The failure destination of a stream must be a standard queue. `reader` is the name
 * of the function.
 */
export function createStreamDeadLetters(scope: Construct, settings: Settings, reader: string): Queue {
  const queue = new Queue(scope, 'ChangesDeadLetters', {
    queueName: physicalName(settings.stage, `${reader}-dlq`),
    ...secure,
    retentionPeriod: longest,
  });
  acknowledge(queue, 'AwsSolutions-SQS3', 'It is a dead-letter queue itself: the failure destination of the stream.');
  return queue;
}

/** Creates the one dead-letter queue of all lanes. Its name does not begin like a lane's, so no rule for lanes covers it. */
export function createLaneDeadLetters(scope: Construct, settings: Settings): Queue {
  const queue = new Queue(scope, 'LaneDeadLetters', {
    queueName: physicalName(settings.stage, 'lanes-dlq.fifo'),
    ...secure,
    ...fifo,
    retentionPeriod: longest,
    redriveAllowPolicy: { redrivePermission: RedrivePermission.ALLOW_ALL },
  });
  acknowledge(
    queue,
    'AwsSolutions-SQS3',
    'It is a dead-letter queue itself; the lanes that use it are made at run time.',
  );
  return queue;
}
