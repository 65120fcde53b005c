import { element } from './xml.ts';

const STATUS = {
  AccessDenied: 403,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidRange: 416,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NotImplemented: 501,
  PreconditionFailed: 412,
  SignatureDoesNotMatch: 403,
} as const;

export type S3Code = keyof typeof STATUS;

/** An error response of S3. */
export interface S3Error {
  status: number;
  code: S3Code;
  message: string;
}

export function s3Error(code: S3Code, message: string): S3Error {
  return { status: STATUS[code], code, message };
}

export function errorXml(error: S3Error, requestId: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('Error', [
    element('Code', error.code),
    element('Message', error.message),
    element('RequestId', requestId),
  ])}`;
}
