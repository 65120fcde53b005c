import { createRoute, z } from '@hono/zod-openapi';
import type { Table } from '../../../lib/aws/client/table.ts';
import { decideNumbers } from '../../../lib/aws/people/known-people.ts';
import {
  addSuppression,
  importSuppressions,
  listSuppressions,
  readSuppression,
  removeSuppression,
} from '../../../lib/aws/people/suppressions.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { UnreadableFile } from '../../../lib/domain/files/unreadable.ts';
import { NumberDoubts } from '../../../lib/domain/people/number-doubts.ts';
import { type Person, personAt } from '../../../lib/domain/people/person.ts';
import { addressesMeant } from '../../../lib/domain/people/phone.ts';
import type { Suppression } from '../../../lib/domain/people/suppression.ts';
import { suppressionView } from '../../../lib/domain/people/suppression-view.ts';
import { type ApiScope, type Call, originOf, tenantOf } from '../http/context.ts';
import { answerFile, csvFile } from '../http/csv-file.ts';
import { listCursors } from '../http/cursor.ts';
import { invalid, maxListedErrors } from '../http/field-errors.ts';
import { personNamed } from '../http/numbers.ts';
import {
  type Api,
  answer,
  idempotencyHeader,
  jsonBody,
  listAnswer,
  listQuery,
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import {
  maxFileRows,
  maxPeople,
  readSuppressions,
  rowsOf,
  type SuppressionFile,
  type SuppressionRow,
  suppressionHead,
  suppressionLines,
} from './file.ts';
import { suppressionImportSchema, suppressionInput, suppressionSchema } from './schema.ts';

const tags = ['Suppressions'];
const byApi = 'Added by an API call.';
const byFile = 'Added by an import.';
const stepItems = 1000;
/** A cursor holds `<13 digits ms>#<address>`: a place in the caller's own list. */
const cursors = listCursors('suppressions', z.string().regex(/^\d{13}#(lid:)?\d{1,20}$/));

const phoneParam = z.object({
  phone: z.string().openapi({
    param: { name: 'phone', in: 'path' },
    description: 'The number in any common spelling, or `lid:` and the LID.',
    example: '79991234567',
  }),
});

export function suppressionRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/suppressions',
      tags,
      summary: 'List suppressed people, newest first',
      ...secured('read'),
      request: { query: listQuery },
      responses: {
        200: answer(listAnswer('SuppressionPage', suppressionSchema), 'One page'),
        ...problems(400, 401, 403, 422),
      },
    }),
    async (c) => {
      const step = cursors.asked(c.req.valid('query'));
      const { items, next } = await listSuppressions(deps.table, tenantOf(c).id, step);
      return c.json({ items: items.map(suppressionView), nextCursor: cursors.cursorAt(next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/suppressions',
      tags,
      summary: 'Suppress all messages to a person',
      description:
        'Waiting messages are suppressed when they would be sent, whatever spelling of the number they have. A person who is already on the list ' +
        'stays unchanged (200). A number in doubt gets a warning.',
      ...securedPost(scope, ['send', 'manage']),
      request: { headers: idempotencyHeader, ...jsonBody(suppressionInput) },
      responses: {
        200: answer(suppressionSchema, 'The person was already on the list'),
        201: answer(suppressionSchema, 'The suppression'),
        ...problems(400, 401, 403, 409, 413, 422),
      },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const { phoneNumber, to, reason } = c.req.valid('json');
      if (phoneNumber !== undefined && to !== undefined) {
        throw invalid([{ path: '/to', code: 'INVALID', message: 'Send phoneNumber or to, not both.' }]);
      }
      const path = to === undefined ? '/phoneNumber' : '/to';
      const given = phoneNumber ?? to;
      if (given === undefined) throw invalid([{ path, code: 'REQUIRED', message: 'The phone number is missing.' }]);
      const { person, warnings } = await personNamed(deps.table, given, tenant, path);
      const { isNew, suppression } = await addSuppression(deps, originOf(c, deps), {
        tenantId: tenant.id,
        ...person,
        reason: reason ?? byApi,
        source: 'api',
        at: deps.nowMs(),
      });
      const shown = { ...suppressionView(suppression), ...(warnings.length === 0 ? {} : { warnings }) };
      return c.json(shown, isNew ? 201 : 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/suppressions/import',
      tags,
      summary: 'Put the numbers of a CSV file on the list',
      description:
        'The body is the file: a column phoneNumber (phone, mobile, to), a column lid, or both, optionally reason. Other columns are skipped, so ' +
        `that suppressions.csv can be imported. Up to 5 MB and ${maxPeople} numbers. Without a header the first column is taken. Rows without a ` +
        'valid number are left out and listed in errors; blank rows do not count.',
      ...securedPost(scope, ['send', 'manage']),
      request: {
        headers: idempotencyHeader,
        body: { required: true, content: { 'text/csv': { schema: z.string() } } },
      },
      responses: {
        200: answer(suppressionImportSchema, 'The result'),
        ...problems(400, 401, 403, 409, 413, 422),
      },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const file = await readFile(await c.req.arrayBuffer(), tenant.defaultCountry);
      if (file.rows.length > maxPeople) {
        const message = `A file has at most ${maxPeople} numbers; send several.`;
        throw invalid([{ path: '', code: 'TOO_MANY_ROWS', message }]);
      }
      if (rowsOf(file) > maxFileRows) {
        const message = `A file has at most ${maxFileRows} rows; send several.`;
        throw invalid([{ path: '', code: 'TOO_MANY_ROWS', message }]);
      }
      const at = deps.nowMs();
      const { people, warnings } = await decided(deps.table, tenant.id, file.rows);
      const wanted = people.map(({ person, reason }) => ({
        tenantId: tenant.id,
        ...person,
        reason: reason ?? byFile,
        source: 'import' as const,
        at,
      }));
      const { added, existing } = await importSuppressions(deps, originOf(c, deps), wanted);
      const errors = file.errors.slice(0, maxListedErrors);
      const counts = { added, existing: existing + file.repeated, invalid: file.errors.length };
      return c.json({ ...counts, errors, ...(warnings.length === 0 ? {} : { warnings }) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/suppressions.csv',
      tags,
      summary: 'The whole list as CSV',
      description: 'Large lists are answered with a redirect to a URL that is valid for an hour.',
      ...secured('read'),
      responses: {
        ...csvFile,
        ...problems(401, 403),
      },
    }),
    async (c) => {
      const { id: tenantId } = tenantOf(c);
      const parts: Buffer[] = [Buffer.from(suppressionHead)];
      let before: string | undefined;
      do {
        const step = { limit: stepItems, ...(before === undefined ? {} : { before }) };
        const listed = await listSuppressions(deps.table, tenantId, step);
        parts.push(Buffer.from(listed.items.map(suppressionLines).join('')));
        before = listed.next;
      } while (before !== undefined);
      const bytes = Buffer.concat(parts);
      return await answerFile(c, deps, { tenantId, owner: 'suppressions', name: 'suppressions.csv', bytes });
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/suppressions/{phone}',
      tags,
      summary: 'Find a number on the list',
      ...secured('read'),
      request: { params: phoneParam },
      responses: { 200: answer(suppressionSchema, 'The suppression'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const { found } = await listed(c, deps.table, c.req.valid('param').phone);
      return c.json(suppressionView(found), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/suppressions/{phone}',
      tags,
      summary: 'Allow messages to a number again',
      description: 'Also ends an opt-out by the person. Only do so when the person has asked for it.',
      ...secured('manage'),
      request: { params: phoneParam },
      responses: { 204: { description: 'Done' }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      const { person } = await listed(c, deps.table, c.req.valid('param').phone);
      if (!(await removeSuppression(deps, originOf(c, deps), person))) throw notListed();
      return c.body(null, 204);
    },
  );
}

async function readFile(body: ArrayBuffer, defaultCountry: string | undefined): Promise<SuppressionFile> {
  try {
    return await readSuppressions([new Uint8Array(body)], defaultCountry);
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    const message = error.line === 1 ? error.message : `Line ${error.line}: ${error.message}`;
    throw invalid([{ path: '', code: 'INVALID', message }]);
  }
}

/** Returns the rows with their numbers decided, and sentences about numbers in doubt. */
async function decided(
  table: Table,
  tenantId: string,
  rows: SuppressionRow[],
): Promise<{ people: SuppressionRow[]; warnings: string[] }> {
  const doubts = new NumberDoubts('line');
  const asked = rows.flatMap(({ number }) => number ?? []);
  const numbers = (await decideNumbers(table, tenantId, asked)).values();
  const people = rows.map((row) => {
    const number = row.number === undefined ? undefined : numbers.next().value;
    if (number === undefined) return row;
    if (number.doubt !== undefined) doubts.add(number.doubt, row.line);
    return { ...row, person: { ...row.person, phoneNumber: number.digits } };
  });
  return { people, warnings: doubts.sentences() };
}

/** Returns the person on the list whom a path names. Tries the address as answers print it first, then other readings. Throws NOT_FOUND. */
async function listed(c: Call, table: Table, text: string): Promise<{ person: Person; found: Suppression }> {
  const { id, defaultCountry } = tenantOf(c);
  const meant = addressesMeant(text, { defaultCountry });
  // Earlier releases put invalid numbers on the list.
  const addresses = [...(/^\d{5,15}$/.test(text) ? [text] : []), ...(meant.ok ? meant.addresses : [])];
  for (const address of addresses) {
    const person = personAt(address);
    const found = await readSuppression(table, id, person);
    if (found !== undefined) return { person, found };
  }
  throw notListed();
}

function notListed(): PacelineError {
  return new PacelineError('NOT_FOUND', 'This number is not on the list.');
}
