import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { z } from 'zod';
import { createClients } from '../../lib/aws/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { PageReader } from '../../lib/aws/feed-rows.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { continueJob, feedAccount } from './feed-account.ts';
import { removeAccount } from './remove-account.ts';

const request = z.object({
  kind: z.enum(['feed', 'refeed', 'job', 'remove']),
  tenantId: z.string(),
  accountId: z.string(),
  contractId: z.string().optional(),
});

/** Time a job leaves for the rest of the invocation. */
const reserveMs = 10_000;

/** Consumes the feed queue. */
export const handler = lambda<SQSEvent, ReturnType<typeof setUp>, SQSBatchResponse>(
  'feed',
  setUp,
  async (event, { deps, reader }, { logger, context }) =>
    await serveFeed(event, deps, reader, {
      deadlineMs: deps.nowMs() + context.getRemainingTimeInMillis() - reserveMs,
      failed: (group, error) =>
        logger.error('a feed request failed and will be repeated', { group, error: error as Error }),
    }),
);

function setUp(env: NodeJS.ProcessEnv) {
  const deps = createDeps(functionConfig(env), createClients());
  return { deps, reader: new PageReader(deps.pages) };
}

/** One batch. A failed request stops the later ones of its account in the batch, so that FIFO order holds. */
export async function serveFeed(
  event: SQSEvent,
  deps: Deps,
  reader: PageReader,
  options: { deadlineMs: number; failed(group: string, error: unknown): void },
): Promise<SQSBatchResponse> {
  const failedGroups = new Set<string>();
  const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
  const served = new Set<string>();
  for (const record of event.Records) {
    const group = record.attributes.MessageGroupId ?? '';
    if (failedGroups.has(group)) {
      batchItemFailures.push({ itemIdentifier: record.messageId });
      continue;
    }
    try {
      const { contractId, ...wanted } = request.parse(JSON.parse(record.body));
      const asked = contractId === undefined || wanted.kind !== 'job' ? wanted : { ...wanted, contractId };
      // Several requests of one account in a batch ask for the same.
      const sameAs = JSON.stringify(asked);
      if (served.has(sameAs)) continue;
      if (asked.kind === 'job') await continueJob(deps, asked, options.deadlineMs);
      else if (asked.kind === 'remove') await removeAccount(deps, asked.tenantId, asked.accountId);
      else await feedAccount(deps, asked, reader);
      served.add(sameAs);
    } catch (error) {
      options.failed(group, error);
      failedGroups.add(group);
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
}
