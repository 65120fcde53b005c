import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { putBack, type UploadNote } from '../../lib/aws/contracts/import-lock.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto, MetricUnit } from '../../lib/runtime/metrics.ts';
import { type ImportCount, importFile } from './import-file.ts';

/**
 * The Lambda handler of the import queue, which has S3's notifications of uploaded files. A notification comes again when an error of ours stopped
 * the reading; a bad file is refused for good. It goes back into the queue while another file of its tenant is being read.
 */
export const handler = lambda<SQSEvent, Deps, SQSBatchResponse>(
  'import',
  (env) => createDeps(functionConfig(env), createClients()),
  async (event, deps, { logger, metrics }) => {
    const count = countInto<ImportCount>(metrics);
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    for (const message of event.Records) {
      try {
        // S3 sends a test notification without records when its notifications are set up.
        const { Records: records = [], waits = 0 } = JSON.parse(message.body) as UploadNote;
        for (const record of records) {
          // S3 encodes keys as in a form: a space is `+`.
          const key = decodeURIComponent(record.s3.object.key.replaceAll('+', ' '));
          const startedMs = deps.nowMs();
          const result = await importFile(deps, key, count);
          if (result === 'waiting') {
            await putBack(deps, record, waits);
            count('FilesPutBack');
          } else if (result !== 'ignored') {
            metrics.addMetric('ImportTime', MetricUnit.Seconds, (deps.nowMs() - startedMs) / 1000);
          }
          logger.info('an upload was handled', { key, result });
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
