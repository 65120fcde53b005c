import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { putBack, type UploadNote } from '../../lib/aws/contracts/import-lock.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto, MetricUnit } from '../../lib/runtime/metrics.ts';
import { type ImportCount, importFile } from './import-file.ts';

/**
 * Reads the import queue, which holds S3's notes of uploaded files. A note whose file could not be read for a reason of ours comes again; a bad
 * file is refused for good. A note goes back into the queue while another file of its tenant is being read.
 */
export const handler = lambda<SQSEvent, Deps, SQSBatchResponse>(
  'import',
  (env) => createDeps(functionConfig(env), createClients()),
  async (event, deps, { logger, metrics }) => {
    const count = countInto<ImportCount>(metrics);
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    for (const message of event.Records) {
      try {
        // S3 sends a test note without records when its notifications are set up.
        const { Records: records = [], waits = 0 } = JSON.parse(message.body) as UploadNote;
        for (const record of records) {
          // S3 encodes keys like a form.
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
