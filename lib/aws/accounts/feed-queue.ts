import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Lane } from '../../domain/messages/message.ts';
import { systemRandom } from '../../runtime/random.ts';

/**
 * feed: put the next rows into the account's lanes, or take everything out of them while the account is halted. refeed: the lanes lost what
 * the table says they hold. recall: go on taking out. job: go on with a contract's job. remove: take away what a deleted account leaves.
 */
export interface FeedRequest {
  kind: 'feed' | 'refeed' | 'recall' | 'job' | 'remove';
  tenantId: string;
  accountId: string;
  contractId?: string;
  cursor?: WalkCursor;
}

/** Where a refeed or a recall that needs several runs goes on, and what it has seen so far. */
export interface WalkCursor {
  contractId: string;
  row: number;
  /** Messages that are QUEUED and were left so. */
  found: Record<Lane, number>;
  /** The account's counts when the walk began, minus the messages that the walk took out. */
  counted: Record<Lane, number>;
  /** The last claim when the walk began (epoch ms). */
  lastActivity?: number;
}

/** One FIFO group per account: requests of an account never run side by side. Each request is its own (no deduplication). */
export async function requestFeed(sqs: SQSClient, feedQueueUrl: string, request: FeedRequest): Promise<void> {
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: feedQueueUrl,
      MessageBody: JSON.stringify(request),
      MessageGroupId: request.accountId,
      MessageDeduplicationId: systemRandom.uniqueId(),
    }),
  );
}
