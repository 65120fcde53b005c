import { randomUUID } from 'node:crypto';
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Lane } from '../domain/message.ts';

/**
 * feed: put the next rows into the account's lanes. refeed: the lanes lost what the table says they hold. job: go on with a contract's
 * job. remove: take away what a deleted account leaves.
 */
export interface FeedRequest {
  kind: 'feed' | 'refeed' | 'job' | 'remove';
  tenantId: string;
  accountId: string;
  contractId?: string;
  cursor?: RefeedCursor;
}

/** Where a refeed that needs several turns goes on, and what it has seen so far. */
export interface RefeedCursor {
  contractId: string;
  row: number;
  /** QUEUED messages found. */
  found: Record<Lane, number>;
  /** The account's counts, and its last claim (epoch ms), when the refeed began. */
  counted: Record<Lane, number>;
  lastActivity?: number;
}

/** One FIFO group per account: requests of an account never run side by side. Each request is its own (no deduplication). */
export async function requestFeed(sqs: SQSClient, feedQueueUrl: string, request: FeedRequest): Promise<void> {
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: feedQueueUrl,
      MessageBody: JSON.stringify(request),
      MessageGroupId: request.accountId,
      MessageDeduplicationId: randomUUID(),
    }),
  );
}
