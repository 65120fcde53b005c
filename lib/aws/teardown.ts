import { DeleteQueueCommand, GetQueueUrlCommand, QueueDoesNotExist, type SQSClient } from '@aws-sdk/client-sqs';
import { listQueues } from './client/queue-list.ts';

/** Most requests at a time. Deleting thousands of lanes one by one would take minutes. */
const parallel = 10;

/**
 * Deletes every queue whose name starts with `prefix`. Returns their number. Queues that are already gone are no error, so the call can be repeated.
 * SQS may list a deleted queue for up to 60 s. Throws when `prefix` is not the prefix of a stage.
 */
export async function removeQueuesByPrefix(sqs: SQSClient, prefix: string): Promise<number> {
  if (!/^paceline-[a-z][a-z0-9]*-[a-z]+-$/.test(prefix))
    throw new Error(`Not the prefix of a stage's queues: ${prefix}`);
  const urls = await listQueues(sqs, prefix);
  for (let at = 0; at < urls.length; at += parallel) {
    await Promise.all(urls.slice(at, at + parallel).map((url) => removeQueue(sqs, url)));
  }
  return urls.length;
}

/** Returns whether a queue with exactly this name exists. */
export async function queueExists(sqs: SQSClient, name: string): Promise<boolean> {
  try {
    await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    return true;
  } catch (error) {
    if (error instanceof QueueDoesNotExist) return false;
    throw error;
  }
}

async function removeQueue(sqs: SQSClient, url: string): Promise<void> {
  try {
    await sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
  } catch (error) {
    if (!(error instanceof QueueDoesNotExist)) throw error;
  }
}
