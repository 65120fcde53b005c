import {
  DeleteMessageBatchCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';

/** "Look at this delivery": its key, its queue group, and `due` and `tries`, which distinguish one sending of it from another. */
export interface DeliveryMessage {
  t: string;
  w: string;
  id: string;
  at: number;
  /** The event's id and time, so that both can be read together. */
  e: string;
  ea: number;
  /** The time of the attempt, epoch ms. */
  due: number;
  group: string;
  /** Tries that ended without an outcome, by an error of ours, such as a failing table. */
  tries?: number;
}

/** A request to send a range of events again, page by page. */
export interface ReplayMessage {
  replay: string;
  t: string;
  w: string;
  /** Epoch ms: `[since, until)`. */
  since: number;
  until: number;
  onlyFailed: boolean;
  /** The time of the request, epoch ms. */
  at: number;
  /** The cursor of the next page. */
  after?: string;
}

/** The longest delay of a queue. */
export const longestDelayMs = 900_000;

/**
 * The two queues of deliveries: the FIFO queue of what is due now, grouped by endpoint, and the one that holds back what is due within 15
 * minutes, because a FIFO queue cannot. A FIFO queue drops a message whose `key` it has seen within five minutes.
 */
export interface DeliveryQueue {
  send(messages: { message: DeliveryMessage | ReplayMessage; key: string }[]): Promise<void>;
  /** `delayMs` at most `longestDelayMs`; whole seconds, rounded up. */
  later(message: DeliveryMessage, delayMs: number): Promise<void>;
  /** Deletes messages from the FIFO queue before their batch ends, so that their groups continue. */
  release(receiptHandles: string[]): Promise<void>;
}

const perCall = 10;

export function deliveryQueue(sqs: SQSClient, urls: { dueUrl: string; laterUrl: string }): DeliveryQueue {
  return {
    async send(messages) {
      const calls: Promise<void>[] = [];
      for (let at = 0; at < messages.length; at += perCall) {
        const entries = messages.slice(at, at + perCall).map(({ message, key }, index) => ({
          Id: String(index),
          MessageBody: JSON.stringify(message),
          MessageGroupId: 'replay' in message ? `${message.w}#replay` : `${message.w}#${message.group}`,
          MessageDeduplicationId: key,
        }));
        calls.push(sendAll(sqs, urls.dueUrl, entries));
      }
      await Promise.all(calls);
    },
    async later(message, delayMs) {
      const seconds = Math.ceil(Math.min(Math.max(delayMs, 0), longestDelayMs) / 1000);
      await sqs.send(
        new SendMessageCommand({
          QueueUrl: urls.laterUrl,
          MessageBody: JSON.stringify(message),
          DelaySeconds: seconds,
        }),
      );
    },
    async release(receiptHandles) {
      for (let at = 0; at < receiptHandles.length; at += perCall) {
        const Entries = receiptHandles
          .slice(at, at + perCall)
          .map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
        await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: urls.dueUrl, Entries }));
      }
    },
  };
}

/** Sends entries that SQS refuses once more. Throws when it refuses them again. */
async function sendAll(sqs: SQSClient, QueueUrl: string, entries: SendMessageBatchRequestEntry[]): Promise<void> {
  let open = entries;
  for (let attempt = 0; open.length > 0; attempt++) {
    const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: open }));
    const failed = new Set(Failed.map(({ Id }) => Id));
    open = open.filter(({ Id }) => failed.has(Id));
    if (open.length > 0 && attempt > 0) throw new Error(`the delivery queue refused messages: ${Failed[0]?.Code}`);
  }
}
