import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bucketRequest } from './bucket-requests.ts';
import { corsHeaders } from './cors.ts';
import { type S3Error, s3Error } from './error.ts';
import { objectRequest } from './object-requests.ts';
import { type S3Context, type S3Request, sendError, sendXml } from './request.ts';
import { checkPresigned } from './signature.ts';
import { element } from './xml.ts';

/** Query parameters of S3 features that local mode does not support. */
const LEFT_OUT_QUERY = ['uploads', 'uploadId', 'versions', 'versionId', 'acl', 'select', 'restore'];

export async function handleRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
  context: S3Context,
): Promise<void> {
  const requestId = randomUUID().replaceAll('-', '').toUpperCase().slice(0, 16);
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader('x-amz-id-2', 'local');
  const request = takeApart(incoming, requestId);
  if (request === undefined) return sendError(response, s3Error('InvalidArgument', 'The path is not valid.'), 'GET');
  if (applyCors(request, response, context)) return;
  const error = authorize(request, context) ?? (await dispatch(request, response, context));
  if (error !== undefined) sendError(response, error, request.method);
  // A body that is not read would block the next request on the connection.
  if (!incoming.complete) incoming.resume();
}

function takeApart(incoming: IncomingMessage, requestId: string): S3Request | undefined {
  try {
    const url = new URL(incoming.url ?? '/', 'http://s3');
    const [bucket = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent);
    return {
      incoming,
      method: incoming.method ?? 'GET',
      bucket,
      key: rest.join('/'),
      query: url.searchParams,
      requestId,
    };
  } catch {
    return undefined;
  }
}

/** Responds to a preflight and returns true. Adds the CORS headers to other requests of a web page and returns false. */
function applyCors(request: S3Request, response: ServerResponse, context: S3Context): boolean {
  const { origin } = request.incoming.headers;
  if (origin === undefined) return false;
  const preflight = request.method === 'OPTIONS';
  const asked = request.incoming.headers['access-control-request-method'];
  const requestHeaders = preflight ? (request.incoming.headers['access-control-request-headers'] ?? '') : '';
  const list = requestHeaders === '' ? [] : requestHeaders.split(',').map((header) => header.trim());
  const { cors } = context.database.settings(request.bucket) ?? {};
  const headers = corsHeaders(cors, origin, preflight ? (asked ?? '') : request.method, list);
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (!preflight) return false;
  if (headers !== undefined) response.writeHead(200).end();
  else sendError(response, s3Error('AccessDenied', 'CORSResponse: This CORS request is not allowed.'), 'OPTIONS');
  return true;
}

function authorize({ incoming, method, query }: S3Request, context: S3Context): S3Error | undefined {
  if (query.has('X-Amz-Signature') || query.has('X-Amz-Algorithm')) {
    const signed = { method, url: incoming.url ?? '/', headers: incoming.headers };
    return checkPresigned(signed, context.credentials, context.now());
  }
  return incoming.headers.authorization === undefined ? s3Error('AccessDenied', 'Access Denied') : undefined;
}

async function dispatch(
  request: S3Request,
  response: ServerResponse,
  context: S3Context,
): Promise<S3Error | undefined> {
  const leftOut = LEFT_OUT_QUERY.find((name) => request.query.has(name));
  if (leftOut !== undefined) return s3Error('NotImplemented', `Local S3 does not support ?${leftOut}.`);
  if (request.bucket === '') return listBuckets(response, context);
  const creates = request.method === 'PUT' && request.key === '' && request.query.size === 0;
  if (!creates && context.database.settings(request.bucket) === undefined) {
    return s3Error('NoSuchBucket', 'The specified bucket does not exist');
  }
  return request.key === '' ? bucketRequest(request, response, context) : objectRequest(request, response, context);
}

function listBuckets(response: ServerResponse, { database }: S3Context): undefined {
  const buckets = database
    .buckets()
    .map((one) =>
      element('Bucket', [element('Name', one.name), element('CreationDate', new Date(one.createdMs).toISOString())]),
    );
  sendXml(response, element('ListAllMyBucketsResult', [element('Buckets', buckets)]));
  return undefined;
}
