import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type S3Error, s3Error } from './error.ts';

export interface SignedRequest {
  method: string;
  /** Path and query as they came over the wire. */
  url: string;
  headers: IncomingHttpHeaders;
}

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
/** Seven days, S3's longest. */
const MAX_EXPIRES_SEC = 604_800;

/**
 * Checks the query signature (SigV4) of a presigned URL at `nowMs`. Returns undefined when it is valid, otherwise the error of S3: 403 for an
 * expired, changed or foreign URL, 400 for an incomplete one.
 */
export function checkPresigned(request: SignedRequest, credentials: Credentials, nowMs: number): S3Error | undefined {
  const url = new URL(request.url, 'http://s3');
  const query = url.searchParams;
  const required = ['X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Expires', 'X-Amz-SignedHeaders', 'X-Amz-Signature'];
  if (query.get('X-Amz-Algorithm') !== ALGORITHM || required.some((name) => !query.has(name))) {
    return s3Error(
      'AuthorizationQueryParametersError',
      'Query-string authentication needs all of its X-Amz parameters.',
    );
  }
  const [accessKeyId, day = '', region = '', service = ''] = (query.get('X-Amz-Credential') ?? '').split('/');
  if (accessKeyId !== credentials.accessKeyId) {
    return s3Error('InvalidAccessKeyId', 'The AWS access key ID you provided does not exist in our records.');
  }
  const stamp = query.get('X-Amz-Date') ?? '';
  const signedAtMs = parseStamp(stamp);
  const expiresSec = Number(query.get('X-Amz-Expires'));
  if (signedAtMs === undefined || !(expiresSec > 0 && expiresSec <= MAX_EXPIRES_SEC)) {
    return s3Error('AuthorizationQueryParametersError', 'X-Amz-Date or X-Amz-Expires is not valid.');
  }
  if (nowMs > signedAtMs + expiresSec * 1000) return s3Error('AccessDenied', 'Request has expired');

  const signedHeaders = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  const canonical = [
    request.method,
    encodePath(url.pathname),
    canonicalQuery(query),
    ...signedHeaders.map((name) => `${name}:${headerValue(request.headers[name])}`),
    '',
    signedHeaders.join(';'),
    query.get('X-Amz-Content-Sha256') ?? headerText(request.headers['x-amz-content-sha256']) ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = [ALGORITHM, stamp, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  );
  const expected = createHmac('sha256', key).update(toSign).digest('hex');
  const given = query.get('X-Amz-Signature') ?? '';
  if (given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))) return undefined;
  return s3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  );
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

function encodePath(path: string): string {
  return path
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/');
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}

function headerValue(value: string | string[] | undefined): string {
  return (headerText(value) ?? '').trim().replaceAll(/ +/g, ' ');
}

function parseStamp(stamp: string): number | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
