import { DeleteQueueCommand, GetQueueUrlCommand, QueueDoesNotExist, type SQSClient } from '@aws-sdk/client-sqs';
import { listQueues } from './client/queue-list.ts';

/** Requests at once; deleting thousands of lanes one by one would take minutes. */
const parallel = 10;

/**
 * Deletes every queue whose name starts with the prefix and answers how many there were. What is gone already is fine, so it can be
 * repeated; SQS itself needs up to 60 s before a deleted queue is no longer listed. Throws on a prefix that is not a stage's own.
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

/** True while a queue of that very name exists. */
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
