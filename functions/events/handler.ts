import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { planDeliveries } from '../../lib/aws/webhooks/deliveries.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto } from '../../lib/runtime/metrics.ts';
import { readChanges } from './read-changes.ts';
import { type TellCount, ToldProgress } from './tell.ts';

/**
 * Consumes the table's stream: what changed of accounts, contracts, messages, inbound batches, opt-outs and endpoints becomes events in the
 * log and deliveries. Items of other types do not reach it (lib/infra/events.ts).
 */
export const handler = lambda<DynamoDBStreamEvent, { deps: Deps; told: ToldProgress }, DynamoDBBatchResponse>(
  'events',
  (env) => ({ deps: createDeps(functionConfig(env), createClients()), told: new ToldProgress() }),
  async ({ Records }, { deps, told }, { logger, metrics }) => {
    const count = countInto<TellCount | 'RecordsParked' | 'RecordsFailed'>(metrics);
    const telling = {
      table: deps.table,
      nowMs: deps.nowMs,
      deliver: (events: Parameters<typeof planDeliveries>[1]) => planDeliveries(deps, events),
      told,
    };
    const failed = await readChanges({ telling, objects: deps.pages, logger, count }, Records);
    return { batchItemFailures: failed === undefined ? [] : [{ itemIdentifier: failed }] };
  },
);
