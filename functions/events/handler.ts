import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { planDeliveries } from '../../lib/aws/webhooks/deliveries.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto } from '../../lib/runtime/metrics.ts';
import { type PublishCount, PublishedProgress } from './publish.ts';
import { readChanges } from './read-changes.ts';

/**
 * Consumes the stream of the table: changes of accounts, contracts, messages, inbound batches, opt-outs and endpoints become events in the
 * log, and deliveries. Items of other types do not reach this function (lib/infra/events.ts).
 */
export const handler = lambda<DynamoDBStreamEvent, { deps: Deps; progress: PublishedProgress }, DynamoDBBatchResponse>(
  'events',
  (env) => ({ deps: createDeps(functionConfig(env), createClients()), progress: new PublishedProgress() }),
  async ({ Records }, { deps, progress }, { logger, metrics }) => {
    const count = countInto<PublishCount | 'RecordsParked' | 'RecordsFailed'>(metrics);
    const publishing = {
      table: deps.table,
      nowMs: deps.nowMs,
      deliver: (events: Parameters<typeof planDeliveries>[1]) => planDeliveries(deps, events),
      progress,
    };
    const failed = await readChanges({ publishing, objects: deps.pages, logger, count }, Records);
    return { batchItemFailures: failed === undefined ? [] : [{ itemIdentifier: failed }] };
  },
);
