import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import {
  type PageRef,
  type PageRow,
  pageSize,
  readStoredRow,
  type StoredRow,
  storedRow,
} from '../../domain/contracts/pages.ts';
import { mended } from '../../domain/well-formed.ts';
import type { ObjectStore } from '../client/objects.ts';
import { inParallel } from '../client/table.ts';

/** Life of a presigned URL for an upload or a download. */
export const urlLifeSec = 3600;

/** Length of a request's name, a ULID. */
const requestLength = 26;

const folder = (kind: string, tenantId: string, contractId: string): string => `${kind}/${tenantId}/${contractId}`;

/** Returns `pages/<t>/<c>/<row set>-<nnnnn>.ndjson`. A row set is the rows of one request or one import. */
export function pageKey(tenantId: string, contractId: string, rowSet: string, number: number): string {
  return `${folder('pages', tenantId, contractId)}/${rowSet}-${String(number).padStart(5, '0')}.ndjson`;
}

/**
 * Returns the name of a row set: its request, and a hash over the numbers and the skipped rows. A repeat of the request may find other opt-outs, and
 * may read an ambiguous number as another person. The pages of a contract must not change, so the repeat must get another name.
 */
export function rowSetName(request: string, rows: PageRow[]): string {
  const hash = createHash('sha256');
  for (const { to, skip } of rows) hash.update(skip === undefined ? `${to}\n` : `${skip} ${to}\n`);
  return `${request}-${hash.digest('hex').slice(0, 16)}`;
}

/** Returns whether two page keys are of the same contract and request. */
export function isSameRequest(key: string, other: string): boolean {
  const request = (name: string) => name.slice(0, name.lastIndexOf('/') + 1 + requestLength);
  return request(key) === request(other);
}

/** Returns `imports/<t>/<c>/<importId>.<ext>`, the key to which a caller uploads a file. */
export function uploadKey(tenantId: string, contractId: string, importId: string, format: 'csv' | 'ndjson'): string {
  return `${folder('imports', tenantId, contractId)}/${importId}.${format}`;
}

/** Returns `exports/<t>/<c>/<id>.csv`, the key of results that are too large for one answer. A lifecycle rule deletes them after a day. */
export function exportKey(tenantId: string, contractId: string, id: string): string {
  return `${folder('exports', tenantId, contractId)}/${id}.csv`;
}

/** Returns the parts of an upload's key; undefined for any other key. */
export function parseUploadKey(
  key: string,
): { tenantId: string; contractId: string; importId: string; format: 'csv' | 'ndjson' } | undefined {
  const [kind, tenantId, contractId, file, ...more] = key.split('/');
  const match = /^(imp_[0-9A-Z]{26})\.(csv|ndjson)$/.exec(file ?? '');
  if (kind !== 'imports' || tenantId === undefined || contractId === undefined || more.length > 0) return undefined;
  if (match?.[1] === undefined) return undefined;
  return { tenantId, contractId, importId: match[1], format: match[2] === 'csv' ? 'csv' : 'ndjson' };
}

/** Writes one page of up to 500 rows. Repeating it with the same rows changes nothing. */
export async function putPage(store: ObjectStore, key: string, rows: PageRow[]): Promise<PageRef> {
  const body = rows.map((row) => `${JSON.stringify(storedRow(row))}\n`).join('');
  await store.put(key, new TextEncoder().encode(body), 'application/x-ndjson');
  return { key, rows: rows.length };
}

/** Writes rows as pages of 500, eight at a time. Returns the pages in the order of the rows. */
export async function putPages(
  store: ObjectStore,
  place: { tenantId: string; contractId: string; rowSet: string },
  rows: PageRow[],
): Promise<PageRef[]> {
  const refs: PageRef[] = [];
  const parts: { number: number; rows: PageRow[] }[] = [];
  for (let at = 0; at < rows.length; at += pageSize) {
    parts.push({ number: at / pageSize, rows: rows.slice(at, at + pageSize) });
  }
  await inParallel(8, parts, async (part) => {
    const key = pageKey(place.tenantId, place.contractId, place.rowSet, part.number);
    refs[part.number] = await putPage(store, key, part.rows);
  });
  return refs;
}

/**
 * Returns the rows of one page. Throws when the object is missing. Pages of earlier versions may hold halves of surrogate pairs, which are mended.
 */
export async function readPage(store: ObjectStore, key: string): Promise<PageRow[]> {
  const body = await store.get(key);
  if (body === undefined) throw new Error(`Page ${key} is missing.`);
  const lines = new TextDecoder().decode(body).split('\n');
  return lines.filter((line) => line !== '').map((line) => readStoredRow(mended(JSON.parse(line) as StoredRow)));
}

/** Returns the numbers (digits) that these pages are to be sent to, with repeats. Reads eight pages at a time. */
export async function readNumbers(store: ObjectStore, pages: PageRef[]): Promise<string[]> {
  const numbers: string[] = [];
  await inParallel(8, pages, async ({ key }) => {
    for (const row of await readPage(store, key)) if (row.skip === undefined) numbers.push(row.to);
  });
  return numbers;
}

/** Returns a URL for the upload of an object with these headers by PUT. */
export async function presignUpload(
  s3: S3Client,
  bucket: string,
  key: string,
  contentType: string,
): Promise<{ url: string; headers: Record<string, string> }> {
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, ContentType: contentType });
  const url = await getSignedUrl(s3, command, { expiresIn: urlLifeSec, signableHeaders: new Set(['content-type']) });
  return { url, headers: { 'Content-Type': contentType } };
}

/** Returns a URL for the download of the object. A browser saves it as `fileName`. */
export async function presignDownload(s3: S3Client, bucket: string, key: string, fileName: string): Promise<string> {
  const disposition = `attachment; filename="${fileName}"`;
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ResponseContentDisposition: disposition });
  return await getSignedUrl(s3, command, { expiresIn: urlLifeSec });
}

/** Returns the bytes of an object as a stream, and its entity tag (hex), which changes with the content. Undefined when there is no object. */
export async function openStream(
  s3: S3Client,
  bucket: string,
  key: string,
): Promise<{ body: Readable; etag: string } | undefined> {
  try {
    const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    if (!(answer.Body instanceof Readable)) throw new Error(`S3 returned no stream for ${key}.`);
    return { body: answer.Body, etag: (answer.ETag ?? '').replace(/[^0-9a-f]/g, '') };
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}
