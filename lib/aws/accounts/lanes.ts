import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  GetQueueUrlCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { recipientGroup } from '../../domain/ids.ts';
import { type Lane, lanes, type Message } from '../../domain/messages/message.ts';
import { laneDays } from '../../domain/messages/retention.ts';
import { systemRandom } from '../../runtime/random.ts';

/** An entry of a lane. `t`: tenant, `a`: account, `m`: message, `seq`: its feeding, `c`: its contract, if any. Never its content or number. */
export interface LaneEntry {
  t: string;
  a: string;
  m: string;
  c?: string;
  seq: number;
}

export interface Received {
  entry: LaneEntry;
  receipt: string;
}

/** Long enough for a batch of ten unpaced sends. A redelivery of an entry that this host has is recognised by the claim. */
export const laneVisibilitySec = 30;

const queueName = (prefix: string, accountId: string, lane: Lane): string => `${prefix}${accountId}-${lane}.fifo`;

/** Creates both lanes of an account and returns their URLs. A repeat is harmless. */
export async function createLanes(
  sqs: SQSClient,
  config: { lanePrefix: string; dlqArn: string },
  accountId: string,
): Promise<Record<Lane, string>> {
  const create = async (lane: Lane): Promise<string> => {
    const answer = await sqs.send(
      new CreateQueueCommand({
        QueueName: queueName(config.lanePrefix, accountId, lane),
        Attributes: {
          FifoQueue: 'true',
          DeduplicationScope: 'messageGroup',
          FifoThroughputLimit: 'perMessageGroupId',
          VisibilityTimeout: String(laneVisibilitySec),
          MessageRetentionPeriod: String(laneDays * 24 * 3600),
          SqsManagedSseEnabled: 'true',
          // Only a last resort. Claims count crashes, and the feed sends again the messages of entries that end there.
          RedrivePolicy: JSON.stringify({ deadLetterTargetArn: config.dlqArn, maxReceiveCount: 10 }),
        },
      }),
    );
    if (answer.QueueUrl === undefined) throw new Error('SQS created a lane and returned no URL.');
    return answer.QueueUrl;
  };
  const [express, bulk] = await Promise.all([create('express'), create('bulk')]);
  return { express, bulk };
}

/** Deletes both lanes. A lane that is already gone is no error. */
export async function removeLanes(sqs: SQSClient, lanePrefix: string, accountId: string): Promise<void> {
  for (const lane of lanes) {
    try {
      const { QueueUrl } = await sqs.send(
        new GetQueueUrlCommand({ QueueName: queueName(lanePrefix, accountId, lane) }),
      );
      await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    } catch (error) {
      if (!(error instanceof QueueDoesNotExist)) throw error;
    }
  }
}

/**
 * Puts messages into a lane, ten a request. The group is the recipient: messages to one recipient keep their order, and an entry in flight blocks no
 * other recipient. The deduplication id includes feedSeq, because FIFO would drop a message fed again within five minutes.
 */
export async function sendToLane(sqs: SQSClient, laneUrl: string, messages: Message[]): Promise<void> {
  for (let at = 0; at < messages.length; at += 10) {
    const part = messages.slice(at, at + 10);
    const answer = await sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: laneUrl,
        Entries: part.map((message, index) => ({
          Id: String(index),
          MessageBody: JSON.stringify({
            t: message.tenantId,
            a: message.accountId,
            m: message.id,
            ...(message.contractId === undefined ? {} : { c: message.contractId }),
            seq: message.feedSeq,
          } satisfies LaneEntry),
          MessageGroupId: recipientGroup(message.to),
          MessageDeduplicationId: `${message.id}#${message.feedSeq}`,
        })),
      }),
    );
    const failed = answer.Failed?.[0];
    if (failed !== undefined) throw new Error(`The lane refused ${answer.Failed?.length} messages: ${failed.Code}.`);
  }
}

/** Returns up to `max` entries (at most ten). Waits at most `waitSec` (0 to 20) for the first. Rejects with AbortError when `signal` fires. */
export async function receiveFromLane(
  sqs: SQSClient,
  laneUrl: string,
  options: { max: number; waitSec: number; signal?: AbortSignal },
): Promise<Received[]> {
  const answer = await sqs.send(
    new ReceiveMessageCommand({
      // With this id a retry after a lost answer gets the same entries. Without it they stay hidden for their visibility timeout.
      ReceiveRequestAttemptId: systemRandom.uniqueId(),
      QueueUrl: laneUrl,
      MaxNumberOfMessages: options.max,
      WaitTimeSeconds: options.waitSec,
    }),
    options.signal === undefined ? {} : { abortSignal: options.signal },
  );
  return (answer.Messages ?? []).flatMap((message) => {
    if (message.Body === undefined || message.ReceiptHandle === undefined) return [];
    return [{ entry: JSON.parse(message.Body) as LaneEntry, receipt: message.ReceiptHandle }];
  });
}

/** Makes entries visible to others at once, ten a request. Otherwise they stay hidden until their visibility timeout ends. */
export async function returnToLane(sqs: SQSClient, laneUrl: string, receipts: string[]): Promise<void> {
  for (let at = 0; at < receipts.length; at += 10) {
    const Entries = receipts
      .slice(at, at + 10)
      .map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle, VisibilityTimeout: 0 }));
    await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: laneUrl, Entries }));
  }
}

/** Deletes entries, ten a request. An expired receipt is no error: the redelivery is recognised by the message's state. */
export async function deleteFromLane(sqs: SQSClient, laneUrl: string, receipts: string[]): Promise<void> {
  for (let at = 0; at < receipts.length; at += 10) {
    const Entries = receipts.slice(at, at + 10).map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: laneUrl, Entries }));
  }
}
