import { DeleteMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { Context, SQSEvent } from 'aws-lambda';
import { handler } from '../../functions/feed/handler.ts';
import type { Emulators } from './emulators.ts';

const context = { getRemainingTimeInMillis: () => 60_000, awsRequestId: 'test' } as Context;

/** Consumes the feed queue as Lambda would, one request an event, until stopped. */
export function pumpFeed(emulators: Emulators): { stop(): Promise<void> } {
  const ended = new AbortController();
  const { sqs } = emulators.clients;
  const QueueUrl = emulators.config.FEED_QUEUE_URL;
  const loop = async () => {
    while (!ended.signal.aborted) {
      const answer = await sqs
        .send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds: 1,
            MessageSystemAttributeNames: ['All'],
          }),
          { abortSignal: ended.signal },
        )
        .catch(() => undefined);
      for (const message of answer?.Messages ?? []) {
        const event = {
          Records: [
            {
              messageId: message.MessageId,
              body: message.Body,
              attributes: { MessageGroupId: message.Attributes?.MessageGroupId },
            },
          ],
        } as unknown as SQSEvent;
        const result = await handler(event, context);
        if (result.batchItemFailures.length > 0) continue;
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
      }
    }
  };
  const running = loop();
  return {
    async stop() {
      ended.abort();
      await running;
    },
  };
}
