import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { findKey, type Scope } from '../../../lib/aws/tenants/api-keys.ts';
import { adminTenant } from '../../../lib/aws/tenants/audit.ts';
import { beginKeyed, endKeyed, openAnswer, sealAnswer } from '../../../lib/aws/tenants/idempotency.ts';
import { readTenant } from '../../../lib/aws/tenants/tenants.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { newId } from '../../../lib/domain/ids.ts';
import { findIllFormed } from '../../../lib/domain/well-formed.ts';
import type { ApiEnv, ApiScope } from './context.ts';
import { illFormedErrors, invalid } from './field-errors.ts';
import { tooLargeDetail } from './problem.ts';

export const maxBodyBytes = 5 * 1024 * 1024;

type Middleware = MiddlewareHandler<ApiEnv>;

/** Gives each answer an `X-Request-Id`: the request id of API Gateway, or a new one. Also sets `nosniff` and, unless a route set it, `no-store`. */
export function requestIds({ deps }: ApiScope): Middleware {
  return async (c, next) => {
    const given = c.env?.requestContext?.requestId;
    const id = given ?? newId('req', deps.nowMs(), deps.randomBytes);
    c.set('requestId', id);
    await next();
    c.header('X-Request-Id', id);
    c.header('X-Content-Type-Options', 'nosniff');
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  };
}

/** Counts refusals (4xx), failures (5xx), and answers repeated for an Idempotency-Key. */
export function countAnswers({ count }: ApiScope): Middleware {
  return async (c, next) => {
    await next();
    const { status, headers } = c.res;
    if (status >= 500) count('Answers5xx');
    else if (status >= 400) count('Answers4xx');
    if (headers.get('Idempotency-Replayed') === 'true') count('Replays');
  };
}

/** Sets the actor from the Bearer key, by one or two reads. Throws UNAUTHENTICATED. */
export function authenticate({ deps }: ApiScope): Middleware {
  return async (c, next) => {
    const secret = /^Bearer +(\S+)\s*$/i.exec(c.req.header('authorization') ?? '')?.[1];
    const key = secret === undefined ? undefined : await findKey(deps.table, secret);
    const unknown = new PacelineError('UNAUTHENTICATED', 'Send a valid key: "Authorization: Bearer <api key>".');
    if (secret === undefined || key === undefined) throw unknown;
    if (key.tenantId === undefined) {
      c.set('actor', { keyId: key.keyId, scopes: key.scopes, secret });
    } else {
      const tenant = await readTenant(deps.table, key.tenantId);
      if (tenant === undefined) throw unknown;
      c.set('actor', { keyId: key.keyId, scopes: key.scopes, secret, tenant });
    }
    await next();
  };
}

/** Requires one of the scopes. An admin key has only the scope admin, which no key of a tenant has. */
export function allow(...wanted: Scope[]): Middleware {
  return async (c, next) => {
    const actor = c.get('actor');
    if (actor === undefined) throw new PacelineError('UNAUTHENTICATED', 'This call needs a key.');
    if (!wanted.some((scope) => actor.scopes.includes(scope))) {
      const kind = wanted.join('" or "');
      throw new PacelineError('FORBIDDEN', `This call needs a key with the scope "${kind}".`);
    }
    await next();
  };
}

/** Calls whose body is a file. Their route reads the bytes and checks the encoding. */
const fileCalls: ReadonlySet<string> = new Set(['/v1/suppressions/import']);

/**
 * Refuses bodies above 5 MB, bodies that are not UTF-8, multipart bodies, and JSON strings with half of a surrogate pair. Every body counts as JSON,
 * whatever its Content-Type, except for the file calls, whose body may have any encoding.
 */
export function readBody(): Middleware {
  return async (c, next) => {
    const tooLarge = new PacelineError('PAYLOAD_TOO_LARGE', tooLargeDetail);
    if (Number(c.req.header('content-length') ?? 0) > maxBodyBytes) throw tooLarge;
    const body = c.req.method === 'GET' ? new ArrayBuffer(0) : await c.req.arrayBuffer();
    if (body.byteLength > maxBodyBytes) throw tooLarge;
    const isFile = fileCalls.has(c.req.path);
    // A decoder would silently replace bytes that are not UTF-8.
    if (!isFile && !isUtf8(body))
      throw new PacelineError('MALFORMED_JSON', 'The body is not UTF-8; send JSON in UTF-8.');
    const type = c.req.header('content-type') ?? '';
    if (type.startsWith('multipart/')) {
      const detail = isFile
        ? 'Send the file itself as the body, with Content-Type: text/csv, and not as a form.'
        : 'Send JSON with Content-Type: application/json.';
      throw new PacelineError('UNSUPPORTED_MEDIA_TYPE', detail);
    }
    if (!isFile) refuseHalfCharacters(body);
    if (body.byteLength === 0) c.req.raw.headers.delete('content-type');
    else c.req.raw.headers.set('content-type', 'application/json');
    await next();
  };
}

/** Throws VALIDATION for half of a surrogate pair in a JSON string. In UTF-8 only an escape, `\ud800` to `\udfff`, can give one. */
function refuseHalfCharacters(body: ArrayBuffer): void {
  const bytes = Buffer.from(body);
  if (!bytes.includes('\\ud') && !bytes.includes('\\uD')) return;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // Not JSON; the route refuses it.
    return;
  }
  const found = findIllFormed(value);
  if (found.length > 0) throw invalid(illFormedErrors(found));
}

/**
 * Handles the `Idempotency-Key` of a POST: the first answer below 500 is stored for 24 h and repeated. `secret`: the answer contains a new key or
 * secret. It is then sealed with the caller's key, so that only the same caller gets it again.
 */
export function idempotent({ deps }: ApiScope, options: { secret?: boolean } = {}): Middleware {
  return async (c, next) => {
    // The Lambda adapter leaves empty headers out.
    const key = c.req.header('idempotency-key') ?? c.env?.event?.headers?.['idempotency-key'];
    const actor = c.get('actor');
    if (key === undefined || actor === undefined) return await next();
    if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
      throw new PacelineError('BAD_REQUEST', 'Idempotency-Key is 1 to 255 printable ASCII characters.');
    }
    const hash = createHash('sha256').update(new Uint8Array(await c.req.arrayBuffer()));
    if (options.secret === true) hash.update(actor.keyId);
    const request = {
      tenantId: actor.tenant?.id ?? adminTenant,
      path: new URL(c.req.url).pathname,
      key,
      requestHash: hash.digest('hex'),
      nowMs: deps.nowMs(),
      randomBytes: deps.randomBytes,
    };
    const begun = await beginKeyed(deps.table, request);
    switch (begun.kind) {
      case 'reused':
        throw new PacelineError(
          'IDEMPOTENCY_KEY_REUSED',
          'This Idempotency-Key was used with another body; use a new one.',
        );
      case 'running':
        throw new PacelineError(
          'IDEMPOTENCY_IN_PROGRESS',
          'The first call with this Idempotency-Key is still running.',
        );
      case 'replay': {
        const body = openAnswer(begun.body, sealingKey(options, actor.secret));
        c.res = new Response(begun.status === 204 ? null : new Uint8Array(body), {
          status: begun.status,
          headers: { 'Content-Type': begun.contentType, 'Idempotency-Replayed': 'true' },
        });
        return;
      }
      case 'run':
        break;
      default:
        return begun satisfies never;
    }
    c.set('attempt', begun);
    await next();
    if (c.res.status >= 500) return await endKeyed(deps.table, request, begun, undefined);
    const body = new Uint8Array(await c.res.clone().arrayBuffer());
    await endKeyed(deps.table, request, begun, {
      status: c.res.status,
      contentType: c.res.headers.get('content-type') ?? 'application/json',
      body: sealAnswer(body, sealingKey(options, actor.secret), deps.randomBytes),
    });
  };
}

/** Returns the key that seals an answer. For ordinary answers it is a public word, so that any key of the tenant gets them again. */
function sealingKey(options: { secret?: boolean }, secret: string): string {
  return options.secret === true ? secret : 'paceline';
}
