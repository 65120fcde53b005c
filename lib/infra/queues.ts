import { Duration } from 'aws-cdk-lib';
import {
  DeduplicationScope,
  FifoThroughputLimit,
  Queue,
  QueueEncryption,
  type QueueProps,
  RedrivePermission,
} from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { physicalName, type Settings } from './settings.ts';
import { acknowledge, allow, type Worker } from './worker.ts';

const secure: QueueProps = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
/** Order within a group only, as many groups at once as there are. */
const fifo: QueueProps = {
  fifo: true,
  contentBasedDeduplication: false,
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
};
const longest = Duration.days(14);

interface WorkQueueProps {
  thing: 'feed' | 'import' | 'webhook' | 'webhook-later';
  fifo: boolean;
  /** At least the timeout of the function that reads it. */
  visibility: Duration;
  /** Receives of one message before it is parked in the dead-letter queue. */
  maxReceives: number;
}

/** A queue that feeds a function, with its dead-letter queue. */
export class WorkQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, settings: Settings, props: WorkQueueProps) {
    super(scope, id);
    const kind = props.fifo ? fifo : {};
    const suffix = props.fifo ? '.fifo' : '';
    this.deadLetters = new Queue(this, 'DeadLetters', {
      queueName: physicalName(settings.stage, `${props.thing}-dlq${suffix}`),
      ...secure,
      ...kind,
      retentionPeriod: longest,
    });
    this.queue = new Queue(this, 'Queue', {
      queueName: physicalName(settings.stage, `${props.thing}${suffix}`),
      ...secure,
      ...kind,
      visibilityTimeout: props.visibility,
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: props.maxReceives },
    });
  }

  allowSend(worker: Worker): void {
    allow(worker, ['sqs:SendMessage'], [this.queue.queueArn]);
  }
}

/** Where stream batches go that failed every retry; a stream's failure destination must be a standard queue. `reader` is the function's name. */
export function createStreamDeadLetters(
  scope: Construct,
  settings: Settings,
  reader: 'feed-changes' | 'events',
): Queue {
  const queue = new Queue(scope, 'ChangesDeadLetters', {
    queueName: physicalName(settings.stage, `${reader}-dlq`),
    ...secure,
    retentionPeriod: longest,
  });
  acknowledge(queue, 'AwsSolutions-SQS3', 'It is a dead-letter queue itself: the failure destination of the stream.');
  return queue;
}

/** The one dead-letter queue of all lanes. Its name does not start like a lane's, so no rule for lanes covers it. */
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
