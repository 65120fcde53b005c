/** The published, closed list behind `code` of problem+json. functions/api maps each to its HTTP status. */
export const errorCodes = [
  'MALFORMED_JSON',
  'BAD_REQUEST',
  'BAD_CURSOR',
  'UNAUTHENTICATED',
  'QUOTA_EXCEEDED',
  'FORBIDDEN',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'CONFLICT',
  'ILLEGAL_STATE',
  'NOT_AWAITING_LINK',
  'PAIRING_CODE_REFUSED',
  'PRIMARY_RESTRICTED',
  'NO_ACCOUNT',
  'IDEMPOTENCY_IN_PROGRESS',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'VALIDATION',
  'IDEMPOTENCY_KEY_REUSED',
  'TOO_MANY_PAIRING_CODES',
  'TOO_MANY_REQUESTS',
  'INTERNAL',
  'UNAVAILABLE',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** The published, closed list behind `errors[].code` of problem+json and of import errors. */
export const fieldErrorCodes = [
  'REQUIRED',
  'INVALID',
  'UNKNOWN_FIELD',
  'INVALID_NUMBER',
  'AMBIGUOUS_NUMBER',
  'FOREIGN_NUMBER',
  'TEXT_EMPTY',
  'TEXT_TOO_LONG',
  'TEXT_CONTROL_CHARACTERS',
  'TOO_MANY_ROWS',
  'OUT_OF_RANGE',
  'UNKNOWN_ACCOUNT',
  'NOT_SUPPORTED',
  'MALFORMED_ROW',
  'NOT_UPLOADED',
  'NOT_READ',
] as const;
export type FieldErrorCode = (typeof fieldErrorCodes)[number];

/** One wrong field: `path` is a JSON pointer (`/recipients/17/phoneNumber`), `row` counts from 1. */
export interface FieldError {
  path: string;
  row?: number;
  code: FieldErrorCode;
  message: string;
}

/** An error for callers: `detail` says what to do, `errors` names the fields, `cause` stays inside. */
export class PacelineError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[] | undefined;

  constructor(code: ErrorCode, detail: string, options: { errors?: readonly FieldError[]; cause?: unknown } = {}) {
    super(`${code}: ${detail}`, 'cause' in options ? { cause: options.cause } : {});
    this.name = 'PacelineError';
    this.code = code;
    this.detail = detail;
    this.errors = options.errors;
  }
}
