import type { IncomingMessage, ServerResponse } from 'node:http';
import { type S3Error, s3Error } from './error.ts';
import { parseNotification, testEvent } from './notification.ts';
import { type S3Context, type S3Request, sendXml } from './request.ts';
import { childrenNamed, element, parseXml, textOf } from './xml.ts';

/** Serves a request to a bucket itself. Returns the error to send; undefined when the response is written. */
export async function bucketRequest(
  request: S3Request,
  response: ServerResponse,
  context: S3Context,
): Promise<S3Error | undefined> {
  const { method, bucket, query } = request;
  const { database } = context;
  if (query.has('cors') || query.has('notification')) return settingRequest(request, response, context);
  if (method === 'POST' && query.has('delete')) return deleteObjects(request, response, context);
  switch (method) {
    case 'PUT': {
      if (query.size > 0)
        return s3Error('NotImplemented', `Local S3 does not support ?${[...query.keys()].join('&')}.`);
      if (!database.createBucket(bucket, context.now())) {
        return s3Error('BucketAlreadyOwnedByYou', 'Your previous request to create the named bucket succeeded.');
      }
      response.writeHead(200, { location: `/${bucket}` }).end();
      return undefined;
    }
    case 'HEAD':
      response.writeHead(200).end();
      return undefined;
    case 'GET':
      if (query.get('list-type') !== '2') return s3Error('NotImplemented', 'Local S3 lists with list-type=2 only.');
      return listObjects(request, response, context);
    case 'DELETE': {
      const error = database.deleteBucket(bucket);
      if (error === undefined) response.writeHead(204).end();
      return error;
    }
    default:
      return s3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
  }
}

async function settingRequest(
  { incoming, method, bucket, query }: S3Request,
  response: ServerResponse,
  { database, now, eventsAdded }: S3Context,
): Promise<S3Error | undefined> {
  const name = query.has('cors') ? 'cors' : 'notification';
  if (method === 'GET') {
    const empty = name === 'cors' ? element('CORSConfiguration', []) : element('NotificationConfiguration', []);
    sendXml(response, database.settings(bucket)?.[name] ?? empty);
    return undefined;
  }
  if (method === 'DELETE') {
    database.setSetting(bucket, name, undefined);
    response.writeHead(204).end();
    return undefined;
  }
  const xml = (await readBody(incoming)).replace(/^<\?xml[^>]*\?>\s*/, '');
  if (parseXml(xml) === undefined) return s3Error('MalformedXML', 'The XML you provided was not well-formed.');
  if (name === 'notification') {
    const rules = parseNotification(xml);
    if (rules === undefined) return s3Error('NotImplemented', 'Local S3 notifies queues only.');
    if (database.settings(bucket)?.notification !== xml) {
      for (const { queueArn } of rules) database.addEvent(queueArn, testEvent(bucket, now()));
      eventsAdded();
    }
  }
  database.setSetting(bucket, name, xml);
  response.writeHead(200).end();
  return undefined;
}

async function deleteObjects(
  { incoming, bucket }: S3Request,
  response: ServerResponse,
  { database }: S3Context,
): Promise<S3Error | undefined> {
  const root = parseXml(await readBody(incoming));
  if (root?.name !== 'Delete') return s3Error('MalformedXML', 'The XML you provided was not well-formed.');
  const keys = childrenNamed(root, 'Object').map((object) => textOf(object, 'Key') ?? '');
  if (keys.length > 1000) return s3Error('MalformedXML', 'At most 1,000 keys can be deleted at once.');
  for (const key of keys) database.delete(bucket, key);
  const quiet = textOf(root, 'Quiet') === 'true';
  sendXml(response, element('DeleteResult', quiet ? [] : keys.map((key) => element('Deleted', [element('Key', key)]))));
  return undefined;
}

/** Serves ListObjectsV2. The continuation token is the last key or common prefix of the previous page. */
function listObjects({ bucket, query }: S3Request, response: ServerResponse, { database }: S3Context): undefined {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const maxKeys = Math.min(Number(query.get('max-keys') ?? 1000), 1000);
  const token = query.get('continuation-token');
  let after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();
  const url = query.get('encoding-type') === 'url';
  const keyElement = (name: string, key: string): string =>
    element(name, url ? encodeURIComponent(key).replaceAll('%2F', '/') : key);

  const contents: string[] = [];
  const prefixes: string[] = [];
  let more = maxKeys > 0;
  while (more && contents.length + prefixes.length < maxKeys) {
    // Asks for one more than wanted, to see whether there is a next page.
    const page = database.list(bucket, prefix, after, maxKeys + 1 - contents.length - prefixes.length);
    more = false;
    for (const object of page) {
      if (contents.length + prefixes.length === maxKeys) {
        more = true;
        break;
      }
      const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
      if (cut >= 0) {
        const common = object.key.slice(0, cut + delimiter.length);
        prefixes.push(common);
        after = `${common}\u{10FFFF}`;
        more = true;
        break;
      }
      after = object.key;
      contents.push(
        element('Contents', [
          keyElement('Key', object.key),
          element('LastModified', new Date(object.modifiedMs).toISOString()),
          element('ETag', `"${object.etag}"`),
          element('Size', object.size),
          element('StorageClass', 'STANDARD'),
        ]),
      );
    }
  }
  const truncated = more && database.list(bucket, prefix, after, 1).length > 0;
  sendXml(
    response,
    element('ListBucketResult', [
      element('Name', bucket),
      keyElement('Prefix', prefix),
      ...(delimiter === '' ? [] : [keyElement('Delimiter', delimiter)]),
      element('MaxKeys', maxKeys),
      element('KeyCount', contents.length + prefixes.length),
      element('IsTruncated', truncated),
      ...(url ? [element('EncodingType', 'url')] : []),
      ...(truncated ? [element('NextContinuationToken', Buffer.from(after).toString('base64url'))] : []),
      ...contents,
      ...prefixes.map((one) => element('CommonPrefixes', [keyElement('Prefix', one)])),
    ]),
  );
  return undefined;
}

const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

export async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) throw new Error('The document is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
