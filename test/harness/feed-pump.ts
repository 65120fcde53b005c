import { DeleteMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { serveFeed } from '../../functions/feed/handler.ts';
import { PageReader } from '../../lib/aws/contracts/feed-rows.ts';
import type { Emulators } from './emulators.ts';

/** Consumes the feed queue as Lambda would, one request an event, until stopped. */
export function pumpFeed(emulators: Emulators): { stop(): Promise<void> } {
  const ended = new AbortController();
  const { sqs } = emulators.clients;
  const reader = new PageReader(emulators.deps);
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
        const result = await serveFeed(event, emulators.deps, reader, {
          deadlineMs: Date.now() + 30_000,
          failed: () => undefined,
        });
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
