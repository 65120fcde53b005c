import { createRoute, z } from '@hono/zod-openapi';
import { readCounter } from '../../../lib/aws/contract-jobs.ts';
import { rowsOf } from '../../../lib/aws/feed-rows.ts';
import { exportKey, presignDownload } from '../../../lib/aws/pages.ts';
import { readRows } from '../../../lib/aws/rows.ts';
import { type Contract, statsOf } from '../../../lib/domain/contract.ts';
import { newId } from '../../../lib/domain/ids.ts';
import { isSuccess, type Message } from '../../../lib/domain/message.ts';
import type { ApiScope } from '../context.ts';
import { contractOf } from '../contract-reading.ts';
import { csvHead, csvLine } from '../csv.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { type Api, answer, idParam, limitQuery, maybeTime, problems, secured, toIso } from '../openapi.ts';
import { visibleStates } from '../schemas/contract.ts';

const tags = ['Results'];

const count = z.int().min(0);
const successItem = z.object({ phoneNumber: z.string(), sentAt: maybeTime }).openapi('SentPhoneNumber');
const failedItem = z
  .object({
    phoneNumber: z.string(),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
    attempts: count,
  })
  .openapi('FailedPhoneNumber');
const statsSchema = z
  .object({
    status: z.enum(visibleStates),
    total: count,
    success: count,
    failed: count,
    suppressed: count,
    canceled: count,
    expired: count,
    pending: count,
    successRate: z.string().openapi({ example: '95.00%' }),
    successPhoneNumbers: z.array(successItem),
    failedPhoneNumbers: z.array(failedItem),
    nextCursor: z.string().nullable().openapi({ description: 'For ?list=success or ?list=failed: what follows here.' }),
  })
  .openapi('ContractStats');
const statsPage = z
  .object({ items: z.array(z.union([successItem, failedItem])), nextCursor: z.string().nullable() })
  .openapi('ContractStatsPage');

const inlineItems = 1000;
/** Rows read at once, and in one request at most: what is sparse goes on with the cursor. */
const stepRows = 1000;
const maxRowsARequest = 20_000;
/** Answers of a function end at 6 MB, escaped; larger results are fetched from S3. */
const maxInlineBytes = 3_000_000;
const csvStepRows = 5000;

export function contractResultRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/contracts/{id}/stats',
      tags,
      summary: 'What became of a contract',
      description: 'With `list` only a page of that list; a page may be short, or empty, and still have a nextCursor.',
      ...secured('read'),
      request: {
        params: idParam,
        query: z.object({
          list: z.enum(['success', 'failed']).optional(),
          limit: limitQuery(1000, inlineItems),
          cursor: z.string().optional(),
        }),
      },
      responses: {
        200: answer(z.union([statsSchema, statsPage]), 'Statistics, or one page of a list'),
        ...problems(400, 401, 403, 404, 422),
      },
    }),
    async (c) => {
      const contract = await contractOf(c, scope);
      const { list, limit, cursor } = c.req.valid('query');
      const position = z.int().min(0).nullable();
      const from = decodeCursor(cursor, 'stats', { c: z.literal(contract.id), s: position, f: position });
      const counter = await readCounter(deps.table, contract);
      const stats = statsOf(contract, counter);
      if (list !== undefined) {
        const start = from === undefined ? 0 : list === 'success' ? from.s : from.f;
        const found = await findRows(
          scope,
          contract,
          list,
          start,
          list === 'success' ? stats.success : stats.failed,
          limit,
        );
        const items = list === 'success' ? found.messages.map(successView) : found.messages.map(failedView);
        const at = list === 'success' ? { s: found.next, f: null } : { s: null, f: found.next };
        const nextCursor = found.next === null ? null : encodeCursor('stats', { c: contract.id, ...at });
        return c.json({ items, nextCursor }, 200);
      }
      const [success, failed] = await Promise.all([
        findRows(scope, contract, 'success', 0, stats.success, limit),
        findRows(scope, contract, 'failed', 0, stats.failed, limit),
      ]);
      const more = success.next !== null || failed.next !== null;
      const body: z.infer<typeof statsSchema> = {
        ...stats,
        status: stats.status === 'DELETED' ? 'CANCELED' : stats.status,
        successPhoneNumbers: success.messages.map(successView),
        failedPhoneNumbers: failed.messages.map(failedView),
        nextCursor: more ? encodeCursor('stats', { c: contract.id, s: success.next, f: failed.next }) : null,
      };
      return c.json(body, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/contracts/{id}/results.csv',
      tags,
      summary: 'All rows as CSV',
      description: 'Large results are answered with a redirect to a URL that holds for an hour.',
      ...secured('read'),
      request: { params: idParam },
      responses: {
        200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } },
        302: { description: 'Where the file is' },
        ...problems(401, 403, 404),
      },
    }),
    async (c) => {
      const contract = await contractOf(c, scope);
      const total = rowsOf(contract);
      const parts: Buffer[] = [Buffer.from(csvHead)];
      for (let from = 0; from < total; from += csvStepRows) {
        const rows = await readRows(deps, contract, from, from + csvStepRows, { eventually: true });
        parts.push(Buffer.from(rows.map(({ message }) => csvLine(message)).join('')));
      }
      const file = Buffer.concat(parts);
      const fileName = `${contract.id}.csv`;
      if (file.byteLength > maxInlineBytes) {
        const key = exportKey(contract.tenantId, contract.id, newId('req', deps.nowMs(), deps.randomBytes));
        await deps.pages.put(key, file, 'text/csv; charset=utf-8');
        return c.redirect(await presignDownload(deps.s3, deps.config.PAGES_BUCKET, key, fileName), 302);
      }
      return c.body(new Uint8Array(file), 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': `attachment; filename="${fileName}"`,
      });
    },
  );
}

/**
 * Messages of a list in the order of rows, from row `start` (null: the list has ended). `known` is how many the counter says there are: when
 * all are found from the beginning, the rest of the rows is not looked at. `next` is null at the end of the list.
 */
async function findRows(
  { deps }: ApiScope,
  contract: Contract,
  list: 'success' | 'failed',
  start: number | null,
  known: number,
  limit: number,
): Promise<{ messages: Message[]; next: number | null }> {
  const messages: Message[] = [];
  const total = rowsOf(contract);
  if (start === null || known === 0) return { messages, next: null };
  const wanted = (message: Message) => (list === 'success' ? isSuccess(message.state) : message.state === 'FAILED');
  const last = Math.min(total, start + maxRowsARequest);
  for (let from = start; from < last; from += stepRows) {
    for (const { message } of await readRows(deps, contract, from, Math.min(from + stepRows, last))) {
      if (!wanted(message)) continue;
      if (messages.length === limit) return { messages, next: message.row };
      messages.push(message);
    }
    if (start === 0 && messages.length >= known) return { messages, next: null };
  }
  return { messages, next: last < total ? last : null };
}

function successView(message: Message): z.infer<typeof successItem> {
  return { phoneNumber: message.to, sentAt: toIso(message.sentAt) };
}

function failedView(message: Message): z.infer<typeof failedItem> {
  const { to, error, attempts } = message;
  return { phoneNumber: to, errorCode: error?.code ?? null, errorMessage: error?.message ?? null, attempts };
}
