import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { z } from 'zod';
import type { FeedRequest } from '../../lib/aws/accounts/feed-queue.ts';
import { createClients } from '../../lib/aws/client/clients.ts';
import { PageReader } from '../../lib/aws/contracts/feed-rows.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { type Count, countInto, countNothing } from '../../lib/runtime/metrics.ts';
import { continueJob, feedAccount } from './feed-account.ts';
import type { FeedCount } from './fill-lanes.ts';
import { removeAccount } from './remove-account.ts';

const request = z.object({
  kind: z.enum(['feed', 'refeed', 'recall', 'job', 'remove']),
  tenantId: z.string(),
  accountId: z.string(),
  contractId: z.string().optional(),
  cursor: z
    .object({
      contractId: z.string(),
      row: z.number(),
      found: z.object({ express: z.number(), bulk: z.number() }),
      counted: z.object({ express: z.number(), bulk: z.number() }),
      lastActivity: z.number().optional(),
    })
    .optional(),
});

/** Jobs, refeeds and recalls stop this long before the invocation ends. */
const reserveMs = 10_000;

/** The Lambda handler of the feed queue. */
export const handler = lambda<SQSEvent, ReturnType<typeof setUp>, SQSBatchResponse>(
  'feed',
  setUp,
  async (event, { deps, reader }, { logger, metrics, context }) =>
    await serveFeed(event, deps, reader, {
      deadlineMs: deps.nowMs() + context.getRemainingTimeInMillis() - reserveMs,
      count: countInto(metrics),
      failed: (group, error) =>
        logger.error('a feed request failed and will be repeated', { group, error: error as Error }),
    }),
);

function setUp(env: NodeJS.ProcessEnv) {
  const deps = createDeps(functionConfig(env), createClients());
  return { deps, reader: new PageReader(deps) };
}

/** Serves one batch. After a failed request, the later ones of its account fail as well, so that FIFO order holds. */
export async function serveFeed(
  event: SQSEvent,
  deps: Deps,
  reader: PageReader,
  options: { deadlineMs: number; count?: Count<FeedCount>; failed(group: string, error: unknown): void },
): Promise<SQSBatchResponse> {
  const { count = countNothing, deadlineMs } = options;
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
      const asked = toRequest(JSON.parse(record.body));
      // Equal requests in one batch need only one run.
      const sameAs = JSON.stringify(asked);
      if (served.has(sameAs)) continue;
      if (asked.kind === 'job') await continueJob(deps, asked, deadlineMs, count);
      else if (asked.kind === 'remove') await removeAccount(deps, asked.tenantId, asked.accountId);
      else await feedAccount(deps, asked, reader, deadlineMs, count);
      served.add(sameAs);
    } catch (error) {
      options.failed(group, error);
      count('RequestsFailed');
      failedGroups.add(group);
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
}

/** Returns the request in a queue body. Fields that its kind does not use are dropped, so that equal requests look equal. Throws on other bodies. */
export function toRequest(body: unknown): FeedRequest {
  const { kind, tenantId, accountId, contractId, cursor } = request.parse(body);
  const asked = { kind, tenantId, accountId };
  if (kind === 'job' && contractId !== undefined) return { ...asked, contractId };
  if ((kind !== 'refeed' && kind !== 'recall') || cursor === undefined) return asked;
  const { lastActivity, ...rest } = cursor;
  return { ...asked, cursor: lastActivity === undefined ? rest : { ...rest, lastActivity } };
}
