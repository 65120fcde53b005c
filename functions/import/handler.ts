import type { S3Event, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto, MetricUnit } from '../../lib/runtime/metrics.ts';
import { type ImportCount, importFile } from './import-file.ts';

/** Consumes the import queue: S3's notes of uploaded files. A file that fails for our reasons comes again; bad files do not. */
export const handler = lambda<SQSEvent, Deps, SQSBatchResponse>(
  'import',
  (env) => createDeps(functionConfig(env), createClients()),
  async (event, deps, { logger, metrics }) => {
    const count = countInto<ImportCount>(metrics);
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    for (const message of event.Records) {
      try {
        for (const key of objectKeys(message.body)) {
          const startedMs = deps.nowMs();
          const result = await importFile(deps, key, count);
          if (result !== 'ignored')
            metrics.addMetric('ImportTime', MetricUnit.Seconds, (deps.nowMs() - startedMs) / 1000);
          logger.info('an upload was read', { key, result });
        }
      } catch (error) {
        count('FilesFailed');
        logger.error('an upload could not be read and will be tried again', { error: error as Error });
        batchItemFailures.push({ itemIdentifier: message.messageId });
      }
    }
    return { batchItemFailures };
  },
);

/** Keys in an S3 note; none in the test note S3 sends when notifications are set up. Keys come form-encoded. */
function objectKeys(body: string): string[] {
  const note = JSON.parse(body) as Partial<S3Event>;
  return (note.Records ?? []).map((record) => decodeURIComponent(record.s3.object.key.replaceAll('+', ' ')));
}
