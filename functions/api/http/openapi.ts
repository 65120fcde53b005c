import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import type { Scope } from '../../../lib/aws/tenants/api-keys.ts';
import { errorCodes, fieldErrorCodes } from '../../../lib/domain/errors.ts';
import type { ApiEnv, ApiScope } from './context.ts';
import { allow, idempotent } from './middleware.ts';
import { type statusOf, titleOf, tooLargeDetail } from './problem.ts';

export type Api = OpenAPIHono<ApiEnv>;

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(errorCodes),
    detail: z.string().openapi({ description: 'What is wrong, and what to do about it.' }),
    errors: z
      .array(
        z.object({
          path: z.string().openapi({ description: 'JSON pointer into the body or the query.' }),
          row: z.int().optional().openapi({ description: 'The row of a list of recipients, counted from 1.' }),
          code: z.enum(fieldErrorCodes),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .openapi('Problem', { description: 'RFC 9457 problem details.' });

type ErrorStatus = (typeof statusOf)[keyof typeof statusOf];

const examples: Record<ErrorStatus, { code: keyof typeof statusOf; detail: string; errors?: unknown[] }> = {
  400: { code: 'MALFORMED_JSON', detail: 'The body is not JSON.' },
  401: { code: 'UNAUTHENTICATED', detail: 'Send a valid key: "Authorization: Bearer <api key>".' },
  402: { code: 'QUOTA_EXCEEDED', detail: 'The plan allows 5 accounts; delete one or change the plan.' },
  403: { code: 'FORBIDDEN', detail: 'This call needs a key with the scope "send".' },
  404: { code: 'NOT_FOUND', detail: 'There is no such contract.' },
  405: { code: 'METHOD_NOT_ALLOWED', detail: 'This path takes GET, POST.' },
  409: { code: 'ILLEGAL_STATE', detail: 'A contract that is COMPLETED cannot be paused.' },
  413: {
    code: 'PAYLOAD_TOO_LARGE',
    detail: tooLargeDetail,
  },
  415: { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'Send JSON with Content-Type: application/json.' },
  422: {
    code: 'VALIDATION',
    detail: 'One field is not valid. /recipients/17/phoneNumber (row 18): The number is not a valid phone number.',
    errors: [
      {
        path: '/recipients/17/phoneNumber',
        row: 18,
        code: 'INVALID_NUMBER',
        message: 'The number is not a valid phone number.',
      },
    ],
  },
  429: { code: 'TOO_MANY_REQUESTS', detail: 'Try again later.' },
  500: { code: 'INTERNAL', detail: 'Something went wrong here; try again, and quote X-Request-Id if it stays.' },
  503: {
    code: 'UNAVAILABLE',
    detail: 'No pairing code came within 20 s; GET /v1/accounts/:id/link shows one that comes later.',
  },
};

/**
 * Returns the error answers of a route for the OpenAPI document; handlers throw them as PacelineError. Every route gets 500 and 503, and
 * a route with 413 also gets 415.
 */
export function problems(...given: ErrorStatus[]): Record<never, never> {
  const statuses = new Set<ErrorStatus>([...given, ...(given.includes(413) ? [415 as const] : []), 500, 503]);
  return Object.fromEntries(
    [...statuses].map((status) => [
      status,
      {
        description: titleOf[status],
        content: {
          'application/problem+json': {
            schema: problemSchema,
            example: { type: 'about:blank', title: titleOf[status], status, ...examples[status] },
          },
        },
      },
    ]),
  );
}

/** A JSON answer. */
export function answer<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

/** A JSON body that must be there. */
export function jsonBody<T extends z.ZodType>(schema: T) {
  return { body: { required: true, content: { 'application/json': { schema } } } };
}

/** A JSON body that may be left out. */
export function optionalBody<T extends z.ZodType>(schema: T) {
  return { body: { content: { 'application/json': { schema } } } };
}

/** The body of a call that takes none. An empty object is accepted; any field in it is refused. */
export const noBody = { body: { content: { 'application/json': { schema: z.strictObject({}) } } } };

/** Requires a Bearer key with one of the scopes, and documents that. OpenAPI shows scopes as roles. */
export function secured(...scopes: Scope[]): {
  security: Record<string, string[]>[];
  middleware: MiddlewareHandler<ApiEnv>[];
} {
  return { security: scopes.map((role) => ({ apiKey: [role] })), middleware: [allow(...scopes)] };
}

/** Like `secured`, for a POST that accepts an Idempotency-Key. */
export function securedPost(scope: ApiScope, role: Scope | Scope[], options: { secret?: boolean } = {}) {
  const base = secured(...[role].flat());
  return { ...base, middleware: [...base.middleware, idempotent(scope, options)] };
}

export const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .openapi({ description: 'Per tenant and path, 24 h: the same key and body give the first answer again.' }),
});

export const idParam = z.object({ id: z.string().openapi({ param: { name: 'id', in: 'path' } }) });

/** `?limit` of 1 to `max`. */
export const limitQuery = (max: number, standard: number) =>
  z.coerce.number().int().min(1).max(max).default(standard).openapi({ type: 'integer' });

/** The query of a list. Unknown parameters are refused. */
export const listQuery = z.strictObject({
  limit: limitQuery(100, 50),
  cursor: z.string().optional().openapi({ description: '`nextCursor` of the previous page.' }),
});

/** Returns the schema of a list page. `nextCursor` is null on the last page. */
export function listAnswer<T extends z.ZodType>(name: string, item: T) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() }).openapi(name);
}

export const isoTime = z.iso.datetime().openapi({ example: '2026-11-20T09:30:00.000Z' });
export const maybeTime = isoTime.nullable();

/** Returns a copy without the fields that are undefined. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
