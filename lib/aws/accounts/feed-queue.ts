import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Lane } from '../../domain/messages/message.ts';
import { systemRandom } from '../../runtime/random.ts';

/**
 * The kinds of requests:
 *
 *   feed     put the next rows into the account's lanes; while the account is halted, take everything out of them
 *   refeed   send again the messages that the table has as QUEUED and the lanes have lost
 *   recall   continue to take messages out of the lanes
 *   job      continue a contract's job
 *   remove   remove the rest of a deleted account
 */
export interface FeedRequest {
  kind: 'feed' | 'refeed' | 'recall' | 'job' | 'remove';
  tenantId: string;
  accountId: string;
  contractId?: string;
  cursor?: WalkCursor;
}

/** The cursor of a refeed or a recall that needs several runs, with its counts so far. */
export interface WalkCursor {
  contractId: string;
  row: number;
  /** Messages that are QUEUED and stay so. */
  found: Record<Lane, number>;
  /** The account's counts when the walk began, minus the messages that the walk took out. */
  counted: Record<Lane, number>;
  /** The last claim when the walk began (epoch ms). */
  lastActivity?: number;
}

/** Sends a request. One FIFO group per account, so that its requests never run in parallel. No two requests are deduplicated. */
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
