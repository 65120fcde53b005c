import { HTTPException } from 'hono/http-exception';
import { type ErrorCode, PacelineError } from '../../../lib/domain/errors.ts';
import type { ApiScope, Call } from './context.ts';

/** The HTTP status of each error code. No other place maps them. */
export const statusOf = {
  MALFORMED_JSON: 400,
  BAD_REQUEST: 400,
  BAD_CURSOR: 400,
  UNAUTHENTICATED: 401,
  QUOTA_EXCEEDED: 402,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  ILLEGAL_STATE: 409,
  NOT_AWAITING_LINK: 409,
  PAIRING_CODE_REFUSED: 409,
  PRIMARY_RESTRICTED: 409,
  NO_ACCOUNT: 409,
  IDEMPOTENCY_IN_PROGRESS: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  VALIDATION: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
  TOO_MANY_PAIRING_CODES: 429,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const satisfies Record<ErrorCode, number>;

export const titleOf: Record<(typeof statusOf)[ErrorCode], string> = {
  400: 'Bad request',
  401: 'Unauthorized',
  402: 'Payment required',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Payload too large',
  415: 'Unsupported media type',
  422: 'Unprocessable content',
  429: 'Too many requests',
  500: 'Internal server error',
  503: 'Service unavailable',
};

/** A Lambda event has at most 6 MB. The body is a JSON string in it, so quotes, backslashes and line breaks count twice. */
export const tooLargeDetail =
  'The body is above 5 MB, or above 6 MB with its quotes, backslashes and line breaks counted twice; send less at once. For many recipients make the contract with ' +
  '"recipients": [] and upload the rows with POST /v1/contracts/:id/import.';

/** Returns the answer to any error, as problem+json (RFC 9457). Logs errors from status 500 on that have a cause. */
export function problem(error: Error, c: Call, logger: ApiScope['logger']): Response {
  const known = toPacelineError(error);
  const status = statusOf[known.code];
  if (status >= 500 && known.cause !== undefined) {
    logger.error('a call failed', { requestId: c.get('requestId'), path: c.req.routePath, error });
  }
  const body = {
    type: 'about:blank',
    title: titleOf[status],
    status,
    code: known.code,
    detail: known.detail,
    ...(known.errors === undefined ? {} : { errors: known.errors }),
  };
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer';
  return c.body(JSON.stringify(body), status, headers);
}

function toPacelineError(error: Error): PacelineError {
  if (error instanceof PacelineError) return error;
  if (error instanceof HTTPException && error.status === 415) {
    return new PacelineError('UNSUPPORTED_MEDIA_TYPE', 'Send JSON with Content-Type: application/json.');
  }
  if (error instanceof HTTPException && error.status === 400) {
    return new PacelineError('MALFORMED_JSON', 'The body is not JSON.', { cause: error });
  }
  return new PacelineError('INTERNAL', 'Something went wrong here; try again, and quote X-Request-Id if it stays.', {
    cause: error,
  });
}
