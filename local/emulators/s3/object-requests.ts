import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { storeBody } from './body.ts';
import { readBody } from './bucket-requests.ts';
import { type S3Error, s3Error } from './error.ts';
import { eventsOf } from './notification.ts';
import { type S3Context, type S3Request, sendXml } from './request.ts';
import { matches, type ObjectHead } from './store.ts';
import { childrenNamed, element, parseXml, textOf } from './xml.ts';

/** Serves a request to one object. Returns the error to send; undefined when the response is written. */
export async function objectRequest(
  request: S3Request,
  response: ServerResponse,
  context: S3Context,
): Promise<S3Error | undefined> {
  if (request.query.has('tagging')) return tagRequest(request, response, context);
  switch (request.method) {
    case 'PUT':
      return putObject(request, response, context);
    case 'GET':
    case 'HEAD':
      return getObject(request, response, context);
    case 'DELETE': {
      const ifMatch = request.incoming.headers['if-match'];
      const error = context.database.delete(request.bucket, request.key, { ifMatch });
      if (error === undefined) response.writeHead(204).end();
      return error;
    }
    default:
      return s3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
  }
}

async function putObject(
  { incoming, bucket, key, requestId }: S3Request,
  response: ServerResponse,
  { database, now, eventsAdded }: S3Context,
): Promise<S3Error | undefined> {
  const { headers } = incoming;
  if (headers['x-amz-copy-source'] !== undefined) return s3Error('NotImplemented', 'Local S3 does not copy objects.');
  const conditions = { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] };
  if (conditions.ifNoneMatch !== undefined && conditions.ifNoneMatch !== '*') {
    return s3Error('NotImplemented', 'A put takes If-None-Match: * only.');
  }
  let stored: Awaited<ReturnType<typeof storeBody>>;
  try {
    stored = await storeBody(incoming, database.filesDir, database.newFileName());
  } catch {
    return s3Error('IncompleteBody', 'The body ended before it was complete.');
  }
  const drop = async (error: S3Error): Promise<S3Error> => {
    if (stored.file !== undefined) await rm(join(database.filesDir, stored.file), { force: true });
    return error;
  };
  const md5 = headers['content-md5'];
  if (md5 !== undefined && Buffer.from(String(md5), 'base64').toString('hex') !== stored.md5) {
    return drop(s3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.'));
  }
  const object: ObjectHead = {
    key,
    size: stored.size,
    etag: stored.md5,
    modifiedMs: now(),
    headers: keptHeaders(headers),
    tags: String(headers['x-amz-tagging'] ?? ''),
    body: stored.body,
    file: stored.file,
  };
  // There is no await between check and write, so exactly one of several concurrent writers finds the key free.
  const events = eventsOf(database.settings(bucket)?.notification, bucket, object, requestId);
  const error = database.put(bucket, object, conditions, events);
  if (error !== undefined) return drop(error);
  if (events.length > 0) eventsAdded();
  response.writeHead(200, { etag: `"${object.etag}"` }).end();
  return undefined;
}

async function getObject(
  { incoming, method, bucket, key, query }: S3Request,
  response: ServerResponse,
  { database }: S3Context,
): Promise<S3Error | undefined> {
  const object = database.head(bucket, key);
  if (object === undefined) return s3Error('NoSuchKey', 'The specified key does not exist.');
  const headers: Record<string, string | number> = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
    'accept-ranges': 'bytes',
  };
  for (const name of ['content-type', 'content-disposition', 'cache-control']) {
    const wanted = query.get(`response-${name}`);
    if (wanted !== null) headers[name] = wanted;
  }
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, range: rangeHeader } = incoming.headers;
  if (ifMatch !== undefined && !matches(ifMatch, object.etag)) {
    return s3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  }
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, object.etag)) {
    response.writeHead(304, headers).end();
    return undefined;
  }
  const range = rangeHeader === undefined ? undefined : parseRange(rangeHeader, object.size);
  if (range === 'unsatisfiable') return s3Error('InvalidRange', 'The requested range is not satisfiable');
  const [start, end] = range ?? [0, object.size - 1];
  headers['content-length'] = end - start + 1;
  if (range !== undefined) headers['content-range'] = `bytes ${start}-${end}/${object.size}`;
  response.writeHead(range === undefined ? 200 : 206, headers);
  if (method === 'HEAD' || object.size === 0) response.end();
  else if (object.file === undefined) response.end((object.body ?? new Uint8Array()).subarray(start, end + 1));
  else {
    const source = createReadStream(join(database.filesDir, object.file), { start, end });
    // A caller that disconnects in the middle is no error.
    await pipeline(source, response).catch(() => undefined);
  }
  return undefined;
}

/** Returns the first and last byte; undefined for a header that S3 ignores. */
function parseRange(header: string, size: number): [number, number] | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start > end ? 'unsatisfiable' : [start, end];
}

async function tagRequest(
  { incoming, method, bucket, key }: S3Request,
  response: ServerResponse,
  { database }: S3Context,
): Promise<S3Error | undefined> {
  const object = database.head(bucket, key);
  if (object === undefined) return s3Error('NoSuchKey', 'The specified key does not exist.');
  if (method === 'GET') {
    const tags = [...new URLSearchParams(object.tags)].map(([name, value]) =>
      element('Tag', [element('Key', name), element('Value', value)]),
    );
    sendXml(response, element('Tagging', [element('TagSet', tags)]));
    return undefined;
  }
  if (method === 'DELETE') {
    database.setTags(bucket, key, '');
    response.writeHead(204).end();
    return undefined;
  }
  const root = parseXml(await readBody(incoming));
  if (root?.name !== 'Tagging') return s3Error('MalformedXML', 'The XML you provided was not well-formed.');
  const tags = new URLSearchParams();
  for (const set of childrenNamed(root, 'TagSet')) {
    for (const tag of childrenNamed(set, 'Tag')) tags.append(textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '');
  }
  database.setTags(bucket, key, tags.toString());
  response.writeHead(200).end();
  return undefined;
}

const KEPT_HEADERS =
  /^(content-type|content-disposition|content-language|cache-control|expires|content-encoding|x-amz-meta-.*)$/;

function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!KEPT_HEADERS.test(name) || value === undefined) continue;
    const text = String(value);
    // aws-chunked is the encoding of the transfer, not of the object.
    const encoding = name === 'content-encoding' ? text.replace(/aws-chunked,?\s*/, '') : text;
    if (encoding !== '') kept[name] = encoding;
  }
  return kept;
}
