import { Aws } from 'aws-cdk-lib';
import { lanePrefix, type Settings, wakeQueuePrefix } from './settings.ts';
import { allowPattern, type Worker } from './worker.ts';

const laneReason =
  'Lanes are made with an account at run time; the prefix carries the stage, so other stages stay out of reach.';
const wakeQueueReason =
  'A host makes its wake queue when it starts; the prefix carries the stage, so other stages stay out of reach.';

/** Rights on the queues that exist only at run time: two lanes an account, one wake queue a host. */
export class RunTimeQueues {
  readonly #lanes: string;
  readonly #wakeQueues: string;

  constructor(settings: Settings) {
    const arn = (prefix: string) => `arn:${Aws.PARTITION}:sqs:${Aws.REGION}:${Aws.ACCOUNT_ID}:${prefix}*`;
    this.#lanes = arn(lanePrefix(settings.stage));
    this.#wakeQueues = arn(wakeQueuePrefix(settings.stage));
  }

  /** Allows creating lanes. They are created with their account. */
  allowLaneCreation(worker: Worker): void {
    const actions = ['CreateQueue', 'GetQueueAttributes', 'GetQueueUrl', 'TagQueue'];
    allowPattern(worker, actions.map(sqs), this.#lanes, laneReason);
  }

  /** Allows removing lanes. They are removed with their account, once its host has released it. */
  allowLaneRemoval(worker: Worker): void {
    allowPattern(worker, ['sqs:DeleteQueue', 'sqs:GetQueueUrl'], this.#lanes, laneReason);
  }

  allowLaneSend(worker: Worker): void {
    allowPattern(worker, ['sqs:SendMessage'], this.#lanes, laneReason);
  }

  allowLaneWork(worker: Worker): void {
    const actions = ['ChangeMessageVisibility', 'DeleteMessage', 'ReceiveMessage'];
    allowPattern(worker, actions.map(sqs), this.#lanes, laneReason);
  }

  /** Allows sending the note "look at account X" to any host. */
  allowWake(worker: Worker): void {
    allowPattern(worker, ['sqs:SendMessage'], this.#wakeQueues, wakeQueueReason);
  }

  /** Allows a host to create and read its own wake queue, and to wake other hosts when it hands accounts over. */
  allowWakeQueueLife(worker: Worker): void {
    const actions = ['CreateQueue', 'DeleteMessage', 'DeleteQueue', 'ReceiveMessage', 'SendMessage', 'TagQueue'];
    allowPattern(worker, actions.map(sqs), this.#wakeQueues, wakeQueueReason);
  }

  /** Allows removing the wake queues of hosts that are gone. */
  allowWakeQueueRemoval(worker: Worker): void {
    allowPattern(
      worker,
      ['sqs:ListQueues'],
      '*',
      'SQS lists queues of the whole account or none; only names are seen.',
    );
    allowPattern(worker, ['sqs:DeleteQueue'], this.#wakeQueues, wakeQueueReason);
  }
}

const sqs = (action: string): string => `sqs:${action}`;
