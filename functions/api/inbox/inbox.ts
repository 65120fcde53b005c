import { createRoute, z } from '@hono/zod-openapi';
import { listAccountIds, readAccount } from '../../../lib/aws/accounts/accounts.ts';
import { inParallel } from '../../../lib/aws/client/table.ts';
import { listBatches } from '../../../lib/aws/inbound/inbound.ts';
import { type InboundBatch, type InboundMessage, personOf, senderOf } from '../../../lib/domain/inbound/inbound.ts';
import { inboundView } from '../../../lib/domain/inbound/view.ts';
import { addressesOf } from '../../../lib/domain/people/person.ts';
import { type ApiScope, tenantOf } from '../http/context.ts';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.ts';
import { invalid } from '../http/field-errors.ts';
import { filterDescription } from '../http/input.ts';
import { filterAddresses } from '../http/numbers.ts';
import { type Api, answer, listAnswer, listQuery, problems, secured } from '../http/openapi.ts';
import { inboundSchema } from './schema.ts';

/** Most accounts that one request reads, each with its own query. A tenant with more must send `accountId`. */
const maxAccounts = 100;
/** Most batches read per account for one page with a filter; the cursor continues after them. */
const maxLookedAt = 500;

/** The cursor of the list. Messages `[0, m)` of batch `b` and all older batches are still to come. */
interface Position {
  b: string;
  m: number;
}

interface Found {
  batch: InboundBatch;
  message: InboundMessage;
  index: number;
}

export function inboxRoutes(app: Api, scope: ApiScope): void {
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/inbox',
      tags: ['Messages'],
      summary: 'List inbound messages, newest first',
      description:
        'Messages of one chat in quick succession are listed together, at the time of the first. Kept for 15 days. A filtered page may be ' +
        `short, or empty, and still have a nextCursor. With more than ${maxAccounts} accounts, accountId is required.`,
      ...secured('read'),
      request: {
        query: listQuery.extend({
          accountId: z.string().optional(),
          from: z.string().max(64).optional().openapi({ description: filterDescription }),
        }),
      },
      responses: { 200: answer(listAnswer('InboxPage', inboundSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const { limit, cursor, accountId, from } = c.req.valid('query');
      const senders = from === undefined ? undefined : filterAddresses(from, tenantOf(c), '/from');
      const position = decodeCursor(cursor, 'inbox', { b: idPosition, m: z.int().min(0).max(1000) });
      const accounts = await accountsOf(scope, tenantOf(c).id, accountId);
      const { items, next } = await readInbox(scope, tenantOf(c).id, accounts, { limit, senders, position });
      const shown = items.map(({ batch, message }) => ({
        accountId: batch.accountId,
        from: senderOf(message),
        fromLid: message.fromLid ?? null,
        ...inboundView(message),
      }));
      return c.json({ items: shown, nextCursor: next === undefined ? null : encodeCursor('inbox', { ...next }) }, 200);
    },
  );
}

async function accountsOf({ deps }: ApiScope, tenantId: string, wanted: string | undefined): Promise<string[]> {
  if (wanted !== undefined) {
    const pair = await readAccount(deps.table, tenantId, wanted);
    if (pair !== undefined) return [pair.account.id];
    throw invalid([{ path: '/accountId', code: 'UNKNOWN_ACCOUNT', message: 'There is no such account.' }]);
  }
  const { ids, next } = await listAccountIds(deps.table, tenantId, { limit: maxAccounts });
  if (next === undefined) return ids;
  const message = `There are more than ${maxAccounts} accounts: name one.`;
  throw invalid([{ path: '/accountId', code: 'REQUIRED', message }]);
}

/** Returns a page of the newest batches of all accounts, merged by their ids, which sort by time. */
async function readInbox(
  { deps }: ApiScope,
  tenantId: string,
  accounts: string[],
  wanted: { limit: number; senders: ReadonlySet<string> | undefined; position: Position | undefined },
): Promise<{ items: Found[]; next?: Position }> {
  const { limit, senders, position } = wanted;
  const batches: InboundBatch[] = [];
  // Some account has more batches than were read, so those older than this id are not complete yet.
  let knownFrom = '';
  const step = senders === undefined ? limit : maxLookedAt;
  await inParallel(8, accounts, async (accountId) => {
    const start = position === undefined ? {} : { before: position.m === 0 ? position.b : `${position.b}~` };
    const found = await listBatches(deps.table, { tenantId, accountId }, { limit: step, ...start });
    batches.push(...found.items);
    const oldest = found.items.at(-1);
    if (found.more && oldest !== undefined && oldest.id > knownFrom) knownFrom = oldest.id;
  });
  const sorted = batches.filter(({ id }) => id >= knownFrom).sort((a, b) => (a.id < b.id ? 1 : -1));
  const items: Found[] = [];
  for (const batch of sorted) {
    if (senders !== undefined && !addressesOf(personOf(batch)).some((address) => senders.has(address))) continue;
    const upTo = batch.id === position?.b ? position.m : batch.messages.length;
    for (let index = Math.min(upTo, batch.messages.length) - 1; index >= 0; index--) {
      const message = batch.messages[index];
      if (message === undefined) continue;
      if (items.length === limit) return { items, next: { b: batch.id, m: index + 1 } };
      items.push({ batch, message, index });
    }
  }
  return knownFrom === '' ? { items } : { items, next: { b: knownFrom, m: 0 } };
}
