import { createRoute, z } from '@hono/zod-openapi';
import { moveContract } from '../../../lib/aws/contracts/contracts.ts';
import { beginImport } from '../../../lib/aws/contracts/imports.ts';
import { notRetried } from '../../../lib/aws/contracts/jobs/retry.ts';
import { readCounter } from '../../../lib/aws/contracts/jobs.ts';
import { presignUpload, uploadKey, urlLifeSec } from '../../../lib/aws/contracts/pages.ts';
import { readRows } from '../../../lib/aws/contracts/rows.ts';
import { type Contract, move } from '../../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../../lib/domain/contracts/pages.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { type ApiScope, idFor, isRepeated, originOf, pathId, tenantOf } from '../http/context.ts';
import {
  type Api,
  answer,
  idempotencyHeader,
  idParam,
  isoTime,
  jsonBody,
  noBody,
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import { contractOf, viewOf } from './reading.ts';
import { contractSchema } from './schema.ts';

const tags = ['Contracts'];

const importInput = z.strictObject({ format: z.enum(['csv', 'ndjson']) }).openapi('ImportInput');
const uploadSchema = z
  .object({
    uploadUrl: z.url(),
    method: z.literal('PUT'),
    headers: z.record(z.string(), z.string()).openapi({ description: 'Send them unchanged with the file.' }),
    expiresAt: isoTime,
  })
  .openapi('ContractUpload');

const contentTypes = { csv: 'text/csv', ndjson: 'application/x-ndjson' };

export function contractMoveRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  const moves = [
    { name: 'start', action: 'start', summary: 'Start, or resume after a pause' },
    { name: 'pause', action: 'pause', summary: 'Pause: at most the message in hand is still sent' },
    { name: 'cancel', action: 'cancel', summary: 'Cancel everything that is not sent' },
    { name: 'retry-failed', action: 'retry', summary: 'Send failed messages again, under the same ids' },
    { name: 'clear-failed', action: 'clear', summary: 'Remove failed messages from the contract' },
  ] as const;
  for (const { name, action, summary } of moves) {
    app.openapi(
      createRoute({
        method: 'post',
        path: `/v1/contracts/{id}/${name}`,
        tags,
        summary,
        ...securedPost(scope, 'send'),
        request: { params: idParam, headers: idempotencyHeader, ...noBody },
        responses: { 200: answer(contractSchema, 'The contract'), ...problems(400, 401, 403, 404, 409, 413, 422) },
      }),
      async (c) => {
        const id = pathId(c.req.valid('param').id, 'con');
        if ((action === 'retry' || action === 'clear') && !isRepeated(c)) {
          const contract = await contractOf(c, scope);
          if (move(contract, action).ok && !(await hasFailed(scope, contract, action))) {
            if (action === 'retry') throw new PacelineError('ILLEGAL_STATE', nothingToRetry);
            return c.json(await viewOf(scope, contract), 200);
          }
        }
        const moved = await moveContract(deps, originOf(c, deps), tenantOf(c).id, id, action, isRepeated(c));
        return c.json(await viewOf(scope, moved), 200);
      },
    );
  }

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/contracts/{id}',
      tags,
      summary: 'Cancel what is not sent and remove the contract',
      ...secured('send'),
      request: { params: idParam },
      responses: { 202: answer(z.object({ id: z.string() }), 'It will be removed'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const id = pathId(c.req.valid('param').id, 'con');
      await moveContract(deps, originOf(c, deps), tenantOf(c).id, id, 'delete');
      return c.json({ id }, 202);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/contracts/{id}/import',
      tags,
      summary: 'A URL to upload up to 100,000 recipients to',
      description:
        'For a contract made with `recipients: []`. PUT the file to the URL; reading starts by itself, one file of a tenant at a time. The file is ' +
        'UTF-8, or UTF-16 with a byte order mark, with any line endings. CSV has a header line with phoneNumber (or phone, mobile, to), message ' +
        '(or text) and optionally externalId, and commas, semicolons, tabs or | between fields; blank rows are skipped. NDJSON has one ' +
        'recipient a line.',
      ...securedPost(scope, 'send'),
      request: { params: idParam, headers: idempotencyHeader, ...jsonBody(importInput) },
      responses: { 200: answer(uploadSchema, 'The URL for the file'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const contract = await contractOf(c, scope);
      const { format } = c.req.valid('json');
      const importId = idFor(c, deps, 'imp');
      const expiresAt = deps.nowMs() + urlLifeSec * 1000;
      await beginImport(deps, originOf(c, deps), contract, {
        id: importId,
        format,
        status: 'awaiting_upload',
        rowsRead: 0,
        expiresAt,
        errorCount: 0,
        errors: [],
      });
      const key = uploadKey(contract.tenantId, contract.id, importId, format);
      const { url, headers } = await presignUpload(deps.s3, deps.config.PAGES_BUCKET, key, contentTypes[format]);
      return c.json(
        { uploadUrl: url, method: 'PUT' as const, headers, expiresAt: new Date(expiresAt).toISOString() },
        200,
      );
    },
  );
}

const nothingToRetry =
  'No failed message can be retried: there is none, or their numbers are not valid, or it is unknown whether they were sent.';

/** Returns whether the job would find a message. For `retry` it reads rows up to the first one. */
async function hasFailed({ deps }: ApiScope, contract: Contract, job: 'retry' | 'clear'): Promise<boolean> {
  const { failed } = await readCounter(deps.table, contract);
  if (failed <= 0 || job === 'clear') return failed > 0;
  const total = rowsOf(contract);
  for (let from = 0, seen = 0; from < total && seen < failed; from += 1000) {
    const rows = await readRows(deps, contract, from, from + 1000, { madeOnly: true });
    const found = rows.filter(({ message }) => message.state === 'FAILED');
    if (found.some(({ message }) => !notRetried.has(message.error?.code ?? ''))) return true;
    seen += found.length;
  }
  return false;
}
