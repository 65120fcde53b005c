import { createRoute, z } from '@hono/zod-openapi';
import { listContracts, readContract } from '../../../lib/aws/contracts/contracts.ts';
import { readOpenRanges } from '../../../lib/aws/contracts/reservations.ts';
import { type Row, readRows } from '../../../lib/aws/contracts/rows.ts';
import { readContent, readContents } from '../../../lib/aws/messages/contents.ts';
import { readMessage } from '../../../lib/aws/messages/messages.ts';
import { accountsOf, type Contract, isFinished } from '../../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../../lib/domain/contracts/pages.ts';
import { rowMessageId } from '../../../lib/domain/contracts/row-message.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { messageStates } from '../../../lib/domain/messages/message.ts';
import { notKept } from '../../../lib/domain/messages/retention.ts';
import { messageView } from '../../../lib/domain/messages/view.ts';
import { type ApiScope, pathId, tenantOf } from '../http/context.ts';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.ts';
import { filterDescription } from '../http/input.ts';
import { filterAddresses } from '../http/numbers.ts';
import { type Api, answer, idParam, listAnswer, listQuery, problems, secured } from '../http/openapi.ts';
import { messageSchema } from './schema.ts';

const tags = ['Messages'];

/** Most rows read for one page. When the filter keeps few of them, the cursor continues the search. */
const maxRowsAPage = 5000;
const maxContractsAPage = 200;
/** Most ids computed to find a message without an item; about 1 us each. */
const maxIdsTried = 300_000;

export function messageRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/messages',
      tags,
      summary: 'List messages, newest first',
      description: `A filtered page may hold fewer items than asked for, or none, and still have a nextCursor. ${notKept}`,
      ...secured('read'),
      request: {
        query: listQuery.extend({
          accountId: z.string().optional(),
          contractId: z.string().optional(),
          status: z.enum(messageStates).optional(),
          to: z
            .string()
            .max(64)
            .optional()
            .openapi({ description: `${filterDescription} sentTo counts like to.` }),
        }),
      },
      responses: { 200: answer(listAnswer('MessagePage', messageSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const { limit, cursor, status, accountId, contractId, to } = c.req.valid('query');
      const numbers = to === undefined ? undefined : filterAddresses(to, tenant, '/to');
      const fits = ({ message }: Row): boolean =>
        (status === undefined || message.state === status) &&
        (accountId === undefined || message.accountId === accountId) &&
        (numbers === undefined ||
          [message.to, message.sentTo].some((number) => number !== undefined && numbers.has(number)));
      // `c`: the contract in which the page begins; `r`: its rows below this one are still to come (null: all).
      const position = decodeCursor(cursor, 'messages', { c: idPosition, r: z.int().min(0).nullable() });
      const walk = contractsFrom(scope, tenant.id, position?.c, contractId);
      const found: Row[] = [];
      let rowsLeft = maxRowsAPage;
      let contractsLeft = maxContractsAPage;
      let next: { c: string; r: number | null } | undefined;
      for await (const contract of walk) {
        if (rowsLeft <= 0 || contractsLeft <= 0 || found.length >= limit) {
          next = { c: contract.id, r: position?.c === contract.id ? position.r : null };
          break;
        }
        contractsLeft -= 1;
        if (accountId !== undefined && !accountsOf(contract).includes(accountId)) continue;
        const top = position?.c === contract.id && position.r !== null ? position.r : rowsOf(contract);
        let upTo = top;
        while (upTo > 0 && rowsLeft > 0 && found.length < limit) {
          const from = Math.max(0, upTo - 100);
          const rows = (await readRows(deps, contract, from, upTo)).reverse();
          rowsLeft -= upTo - from;
          upTo = from;
          for (const row of rows) {
            if (!fits(row)) continue;
            found.push(row);
            if (found.length === limit) {
              upTo = row.message.row;
              break;
            }
          }
        }
        if (upTo > 0) {
          next = { c: contract.id, r: upTo };
          break;
        }
      }
      const contents = await readContents(
        deps.table,
        tenant.id,
        found.filter((row) => row.content === undefined).map((row) => row.message.id),
      );
      const items = found.map(({ message, content }) => messageView(message, content ?? contents.get(message.id)));
      return c.json({ items, nextCursor: next === undefined ? null : encodeCursor('messages', next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/messages/{id}',
      tags,
      summary: 'One message',
      ...secured('read'),
      request: { params: idParam },
      responses: { 200: answer(messageSchema, 'The message'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const { id: tenantId } = tenantOf(c);
      const id = pathId(c.req.valid('param').id, 'msg');
      const row = (await madeRow(scope, tenantId, id)) ?? (await unfedRow(scope, tenantId, id));
      if (row === undefined) throw new PacelineError('NOT_FOUND', `There is no such message. ${notKept}`);
      const content = row.content ?? (await readContent(deps.table, tenantId, id));
      return c.json(messageView(row.message, content), 200);
    },
  );
}

/** Yields contracts, newest first, from the one of the cursor on (included). With `only` it yields just that one. */
async function* contractsFrom(
  { deps }: ApiScope,
  tenantId: string,
  standing: string | undefined,
  only: string | undefined,
): AsyncGenerator<Contract> {
  if (only !== undefined) {
    const contract = /^con_[0-9A-Z]{26}$/.test(only) ? await readContract(deps.table, tenantId, only) : undefined;
    if (contract !== undefined) yield contract;
    return;
  }
  if (standing !== undefined) {
    const contract = await readContract(deps.table, tenantId, standing);
    if (contract !== undefined) yield contract;
  }
  let before = standing;
  do {
    const step = await listContracts(
      deps.table,
      tenantId,
      before === undefined ? { limit: 20 } : { limit: 20, before },
    );
    yield* step.items;
    before = step.next;
  } while (before !== undefined);
}

/** Returns the row of a message that has an item, unless its contract is deleted. */
async function madeRow({ deps }: ApiScope, tenantId: string, id: string): Promise<Row | undefined> {
  const message = await readMessage(deps.table, tenantId, id);
  if (message === undefined) return undefined;
  if (message.source !== 'contract') return undefined;
  const contract = await readContract(deps.table, tenantId, message.contractId);
  return contract === undefined ? undefined : { message };
}

/**
 * Returns the row of a message without an item. The id is a hash of contract and row, so it tries the rows of unfinished, canceled and failed
 * contracts.
 */
async function unfedRow({ deps }: ApiScope, tenantId: string, id: string): Promise<Row | undefined> {
  let left = maxIdsTried;
  let before: string | undefined;
  do {
    const step = await listContracts(
      deps.table,
      tenantId,
      before === undefined ? { limit: 50 } : { limit: 50, before },
    );
    const maybe = step.items.filter(
      ({ status }) => !isFinished(status) || status === 'CANCELED' || status === 'FAILED',
    );
    const open = await readOpenRanges(deps.table, maybe);
    for (const [index, contract] of maybe.entries()) {
      const total = rowsOf(contract);
      const unmade = Math.min(contract.nextRow, ...(open[index] ?? []).map(({ from }) => from));
      const first = isFinished(contract.status) ? 0 : unmade;
      for (let row = first; row < total && left > 0; row++, left--) {
        if (rowMessageId(contract, row) === id) return (await readRows(deps, contract, row, row + 1))[0];
      }
    }
    before = step.next;
  } while (before !== undefined && left > 0);
  return undefined;
}
