import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { type ErrorCode, type FieldError, type FieldErrorCode, PacelineError } from '../../lib/domain/errors.ts';
import type { ApiScope, Call } from './context.ts';

/** The one place where codes become HTTP. */
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
  PRIMARY_RESTRICTED: 409,
  IDEMPOTENCY_IN_PROGRESS: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  VALIDATION: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
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

/** More wrong fields than these are counted in `detail` and not listed. */
export const maxListedErrors = 1000;

/** Any error as problem+json (RFC 9457); what is not a PacelineError is logged and told as INTERNAL. */
export function problem(error: Error, c: Call, logger: ApiScope['logger']): Response {
  const known = toPacelineError(error);
  if (known.code === 'INTERNAL') {
    logger.error('a call failed', { requestId: c.get('requestId'), path: c.req.routePath, error });
  }
  const status = statusOf[known.code];
  const body = {
    type: 'about:blank',
    title: titleOf[status],
    status,
    code: known.code,
    detail: known.detail,
    ...(known.errors === undefined ? {} : { errors: known.errors.slice(0, maxListedErrors) }),
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

/** VALIDATION that lists each wrong field; `detail` names the first. */
export function invalid(errors: FieldError[]): PacelineError {
  const [first] = errors;
  const where = first === undefined ? '' : first.row === undefined ? first.path : `${first.path} (row ${first.row})`;
  const count = errors.length === 1 ? 'One field is' : `${errors.length} fields are`;
  const listed = errors.length > maxListedErrors ? ` The first ${maxListedErrors} are listed.` : '';
  return new PacelineError('VALIDATION', `${count} not valid. ${where}: ${first?.message ?? ''}${listed}`, {
    errors: errors.slice(0, maxListedErrors),
  });
}

/** What zod found, as field errors; `rowsField` is the array whose elements are rows. */
export function fieldErrorsOf(error: z.ZodError, rowsField = 'recipients'): FieldError[] {
  return error.issues.flatMap((issue): FieldError[] => {
    const path = issue.path.map(String);
    const at = (more: string[]): Pick<FieldError, 'path' | 'row'> => ({
      path: pointer([...path, ...more]),
      ...(path[0] === rowsField && typeof issue.path[1] === 'number' ? { row: issue.path[1] + 1 } : {}),
    });
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        ...at([key]),
        code: 'UNKNOWN_FIELD',
        message: `There is no field "${key.slice(0, 100)}".`,
      }));
    }
    return [{ ...at([]), code: codeOf(issue, rowsField), message: issue.message }];
  });
}

function codeOf(issue: z.core.$ZodIssue, rowsField: string): FieldErrorCode {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'REQUIRED' : 'INVALID';
    case 'too_big':
      return issue.path[0] === rowsField && issue.path.length === 1 ? 'TOO_MANY_ROWS' : 'OUT_OF_RANGE';
    case 'too_small':
      return issue.origin === 'string' ? 'REQUIRED' : 'OUT_OF_RANGE';
    case 'custom': {
      const code: unknown = issue.params?.code;
      return typeof code === 'string' ? (code as FieldErrorCode) : 'INVALID';
    }
    default:
      return 'INVALID';
  }
}

/** RFC 6901. */
export function pointer(path: string[]): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
