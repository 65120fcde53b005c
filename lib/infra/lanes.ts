import { Aws } from 'aws-cdk-lib';
import { inboxPrefix, lanePrefix, type Settings } from './settings.ts';
import { allowPattern, type Worker } from './worker.ts';

const laneReason =
  'Lanes are made with an account at run time; the prefix carries the stage, so other stages stay out of reach.';
const inboxReason =
  'A host makes its inbox when it starts; the prefix carries the stage, so other stages stay out of reach.';

/** Rights on the queues that exist only at run time: two lanes an account, one inbox a host. */
export class RunTimeQueues {
  readonly #lanes: string;
  readonly #inboxes: string;

  constructor(settings: Settings) {
    const arn = (prefix: string) => `arn:${Aws.PARTITION}:sqs:${Aws.REGION}:${Aws.ACCOUNT_ID}:${prefix}*`;
    this.#lanes = arn(lanePrefix(settings.stage));
    this.#inboxes = arn(inboxPrefix(settings.stage));
  }

  /** Lanes come with their account. */
  allowLaneCreation(worker: Worker): void {
    const actions = ['CreateQueue', 'GetQueueAttributes', 'GetQueueUrl', 'TagQueue'];
    allowPattern(worker, actions.map(sqs), this.#lanes, laneReason);
  }

  /** And go with it, once its host has let go of it. */
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

  /** "Look at account X." */
  allowWake(worker: Worker): void {
    allowPattern(worker, ['sqs:SendMessage'], this.#inboxes, inboxReason);
  }

  /** A host's own inbox, and waking the others when it hands accounts over. */
  allowInboxLife(worker: Worker): void {
    const actions = ['CreateQueue', 'DeleteMessage', 'DeleteQueue', 'ReceiveMessage', 'SendMessage', 'TagQueue'];
    allowPattern(worker, actions.map(sqs), this.#inboxes, inboxReason);
  }

  /** Inboxes of hosts that are gone. */
  allowInboxRemoval(worker: Worker): void {
    allowPattern(
      worker,
      ['sqs:ListQueues'],
      '*',
      'SQS lists queues of the whole account or none; only names are seen.',
    );
    allowPattern(worker, ['sqs:DeleteQueue'], this.#inboxes, inboxReason);
  }
}

const sqs = (action: string): string => `sqs:${action}`;
