import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { createClients } from '../../lib/aws/client/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto } from '../../lib/runtime/metrics.ts';

/**
 * The Lambda handler of the table's stream, for contract items only. It asks the feed when a contract starts to run or gets a job, even if the writer
 * died right after the write.
 */
export const handler = lambda<DynamoDBStreamEvent, Deps, DynamoDBBatchResponse>(
  'feed-changes',
  (env) => createDeps(functionConfig(env), createClients()),
  async (event, deps, { logger, metrics }) => {
    const count = countInto<'FeedsAsked' | 'ChangesFailed'>(metrics);
    const asked = new Set<string>();
    for (const record of event.Records) {
      try {
        for (const request of requestsOf(record)) {
          const sameAs = JSON.stringify(request);
          if (asked.has(sameAs)) continue;
          await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
          asked.add(sameAs);
          count('FeedsAsked');
        }
      } catch (error) {
        count('ChangesFailed');
        logger.error('a contract change was not passed on and will be repeated', { error: error as Error });
        // Lambda repeats the stream from this record on, so later records must not be handled now.
        return { batchItemFailures: [{ itemIdentifier: record.dynamodb?.SequenceNumber ?? '' }] };
      }
    }
    return { batchItemFailures: [] };
  },
);

/** Returns the feed requests for a change of a contract item. */
export function requestsOf(record: DynamoDBRecord): FeedRequest[] {
  const now = record.dynamodb?.NewImage;
  const before = record.dynamodb?.OldImage;
  const tenantId = now?.tenantId?.S;
  const contractId = now?.id?.S;
  const accountId = now?.accountIds?.L?.[0]?.S;
  if (now?.type?.S !== 'contract' || tenantId === undefined || contractId === undefined || accountId === undefined)
    return [];
  const requests: FeedRequest[] = [];
  if (now.job?.S !== undefined && before?.job?.S !== now.job.S) {
    requests.push({ kind: 'job', tenantId, accountId, contractId });
  }
  if (now.status?.S === 'IN_PROGRESS' && before?.status?.S !== 'IN_PROGRESS') {
    requests.push({ kind: 'feed', tenantId, accountId });
  }
  return requests;
}
