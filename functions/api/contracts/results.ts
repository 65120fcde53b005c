import { createRoute, z } from '@hono/zod-openapi';
import { readCounter } from '../../../lib/aws/contracts/jobs.ts';
import { readResults, readRows } from '../../../lib/aws/contracts/rows.ts';
import { type Contract, statsOf } from '../../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../../lib/domain/contracts/pages.ts';
import { isSuccess, type Message } from '../../../lib/domain/messages/message.ts';
import { mayBeGone, notKept } from '../../../lib/domain/messages/retention.ts';
import { toIso } from '../../../lib/domain/times.ts';
import type { ApiScope } from '../http/context.ts';
import { csvHead, csvLine, goneLine } from '../http/csv.ts';
import { answerFile, csvFile } from '../http/csv-file.ts';
import { decodeCursor, encodeCursor } from '../http/cursor.ts';
import { type Api, answer, idParam, limitQuery, maybeTime, problems, secured } from '../http/openapi.ts';
import { contractOf } from './reading.ts';
import { visibleStates } from './schema.ts';

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
    note: z.string().nullable().openapi({ description: 'Why numbers may be missing from the lists; null: none is.' }),
    successPhoneNumbers: z.array(successItem),
    failedPhoneNumbers: z.array(failedItem),
    nextCursor: z
      .string()
      .nullable()
      .openapi({ description: 'For ?list=success or ?list=failed: the cursor of the next page.' }),
  })
  .openapi('ContractStats');
const statsPage = z
  .object({ items: z.array(z.union([successItem, failedItem])), nextCursor: z.string().nullable() })
  .openapi('ContractStatsPage');

const inlineItems = 1000;
/** Rows of one read, and most rows of one request. A request that finds few items ends early; its cursor continues. */
const stepRows = 1000;
const maxRowsARequest = 20_000;
const csvStepRows = 5000;

export function contractResultRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/contracts/{id}/stats',
      tags,
      summary: 'Statistics of a contract',
      description: 'With `list` only a page of that list; a page may be short, or empty, and still have a nextCursor.',
      ...secured('read'),
      request: {
        params: idParam,
        query: z.strictObject({
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
      const stats = statsOf(contract, await readCounter(deps.table, contract));
      const start = { success: from?.s, failed: from?.f };
      if (list !== undefined) {
        const other = list === 'success' ? 'failed' : 'success';
        const found = await findRows(scope, contract, stats, { ...start, [other]: null }, limit);
        const items = list === 'success' ? found.success.map(successView) : found.failed.map(failedView);
        return c.json({ items, nextCursor: cursorOf(contract, found.next) }, 200);
      }
      const found = await findRows(scope, contract, stats, start, limit);
      const body: z.infer<typeof statsSchema> = {
        ...stats,
        status: stats.status === 'DELETED' ? 'CANCELED' : stats.status,
        note: mayBeGone(contract.startedAt, deps.nowMs()) ? notKept : null,
        successPhoneNumbers: found.success.map(successView),
        failedPhoneNumbers: found.failed.map(failedView),
        nextCursor: cursorOf(contract, found.next),
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
      description: `${notKept} Rows without one say UNKNOWN. Large results are answered with a redirect to a URL that is valid for an hour.`,
      ...secured('read'),
      request: { params: idParam },
      responses: {
        ...csvFile,
        ...problems(401, 403, 404),
      },
    }),
    async (c) => {
      const contract = await contractOf(c, scope);
      const total = rowsOf(contract);
      const parts: Buffer[] = [Buffer.from(csvHead)];
      for (let from = 0; from < total; from += csvStepRows) {
        const rows = await readResults(deps, contract, from, from + csvStepRows, { eventually: true });
        const lines = rows.map((row) => ('gone' in row ? goneLine(row.gone) : csvLine(row.message)));
        parts.push(Buffer.from(lines.join('')));
      }
      const { tenantId, id } = contract;
      return await answerFile(c, deps, { tenantId, owner: id, name: `${id}.csv`, bytes: Buffer.concat(parts) });
    },
  );
}

/** The row at which each list continues; null when the list has ended. */
interface Position {
  success: number | null;
  failed: number | null;
}

function cursorOf(contract: Contract, next: Position): string | null {
  if (next.success === null && next.failed === null) return null;
  return encodeCursor('stats', { c: contract.id, s: next.success, f: next.failed });
}

/**
 * Returns both lists from one walk over the rows, in their order. Each list begins at its own start (undefined: the first row) and has up to
 * `limit` messages. A list ends before the last row when the counter (`known`) says that all of its messages have been found.
 */
async function findRows(
  { deps }: ApiScope,
  contract: Contract,
  known: { success: number; failed: number },
  start: { success: number | null | undefined; failed: number | null | undefined },
  limit: number,
): Promise<{ success: Message[]; failed: Message[]; next: Position }> {
  const lists = { success: [] as Message[], failed: [] as Message[] };
  const next: Position = { success: null, failed: null };
  const names = ['success', 'failed'] as const;
  const open = new Set(names.filter((name) => start[name] !== null && known[name] > 0));
  const first = Math.min(...names.flatMap((name) => (open.has(name) ? [start[name] ?? 0] : [])));
  const total = rowsOf(contract);
  const last = Math.min(total, first + maxRowsARequest);
  for (let from = first; from < last && open.size > 0; from += stepRows) {
    const rows = await readRows(deps, contract, from, Math.min(from + stepRows, last), { madeOnly: true });
    for (const { message } of rows) {
      const name = isSuccess(message.state) ? 'success' : message.state === 'FAILED' ? 'failed' : undefined;
      if (name === undefined || !open.has(name) || message.row < (start[name] ?? 0)) continue;
      if (lists[name].length === limit) {
        next[name] = message.row;
        open.delete(name);
      } else lists[name].push(message);
    }
    for (const name of names) {
      if ((start[name] ?? 0) === 0 && lists[name].length >= known[name]) open.delete(name);
    }
  }
  for (const name of open) next[name] = last < total ? last : null;
  return { ...lists, next };
}

function successView(message: Message): z.infer<typeof successItem> {
  return { phoneNumber: message.to, sentAt: toIso(message.sentAt) };
}

function failedView(message: Message): z.infer<typeof failedItem> {
  const { to, error, attempts } = message;
  return { phoneNumber: to, errorCode: error?.code ?? null, errorMessage: error?.message ?? null, attempts };
}
