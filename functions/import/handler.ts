import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { putBack, type UploadNote } from '../../lib/aws/contracts/import-turns.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto, MetricUnit } from '../../lib/runtime/metrics.ts';
import { type ImportCount, importFile } from './import-file.ts';

/**
 * Consumes the import queue: S3's notes of uploaded files. A file that fails for our reasons comes again; bad files do not. A file whose tenant
 * has another one being read goes back into the queue.
 */
export const handler = lambda<SQSEvent, Deps, SQSBatchResponse>(
  'import',
  (env) => createDeps(functionConfig(env), createClients()),
  async (event, deps, { logger, metrics }) => {
    const count = countInto<ImportCount>(metrics);
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    for (const message of event.Records) {
      try {
        // S3 sends a test note without records when notifications are set up.
        const { Records: records = [], waits = 0 } = JSON.parse(message.body) as UploadNote;
        for (const record of records) {
          // Keys come form-encoded.
          const key = decodeURIComponent(record.s3.object.key.replaceAll('+', ' '));
          const startedMs = deps.nowMs();
          const result = await importFile(deps, key, count);
          if (result === 'waiting') {
            await putBack(deps, record, waits);
            count('FilesPutBack');
          } else if (result !== 'ignored') {
            metrics.addMetric('ImportTime', MetricUnit.Seconds, (deps.nowMs() - startedMs) / 1000);
          }
          logger.info('an upload was looked at', { key, result });
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
