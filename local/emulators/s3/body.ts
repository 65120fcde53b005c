import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { finished } from 'node:stream/promises';

/** Bodies up to this size are kept in memory and in the database; larger ones are streamed to a file. */
export const INLINE_BYTES = 256 * 1024;

export interface StoredBody {
  size: number;
  /** MD5 in hex: S3's ETag of an object put in one piece. */
  md5: string;
  body: Uint8Array | undefined;
  file: string | undefined;
}

/** Stores a request body of any size. Rejects when the connection ends early, and then leaves no file behind. */
export async function storeBody(request: IncomingMessage, filesDir: string, fileName: string): Promise<StoredBody> {
  const source = isChunked(request) ? request.pipe(awsChunkedDecoder()) : request;
  if (source !== request)
    request.once('close', () => request.complete || source.destroy(new Error('The body was cut off.')));
  const md5 = createHash('md5');
  const inline: Buffer[] = [];
  let size = 0;
  let output: ReturnType<typeof createWriteStream> | undefined;
  const path = join(filesDir, fileName);
  try {
    for await (const chunk of source) {
      const bytes: Buffer = chunk;
      md5.update(bytes);
      size += bytes.length;
      if (output === undefined && size <= INLINE_BYTES) {
        inline.push(bytes);
        continue;
      }
      if (output === undefined) {
        output = createWriteStream(path);
        output.write(Buffer.concat(inline));
      }
      if (!output.write(bytes)) await once(output, 'drain');
    }
    if (output !== undefined) await finished(output.end());
  } catch (error) {
    output?.destroy();
    await rm(path, { force: true });
    throw error;
  }
  const digest = md5.digest('hex');
  if (output !== undefined) return { size, md5: digest, body: undefined, file: fileName };
  return { size, md5: digest, body: Buffer.concat(inline), file: undefined };
}

function isChunked(request: IncomingMessage): boolean {
  const encoding = request.headers['content-encoding'] ?? '';
  return encoding.includes('aws-chunked') || String(request.headers['x-amz-content-sha256']).startsWith('STREAMING-');
}

/**
 * Unpacks the SDK's `aws-chunked` encoding: `<hex size>[;chunk-signature=..]\r\n<bytes>\r\n` .. `0\r\n<trailers>\r\n`. Trailing checksums are dropped.
 */
export function awsChunkedDecoder(): Transform {
  let pending: Buffer = Buffer.alloc(0);
  let left = 0;
  let ended = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (!ended) {
        if (left > 0) {
          if (pending.length === 0) break;
          const piece = pending.subarray(0, left);
          this.push(piece);
          left -= piece.length;
          pending = pending.subarray(piece.length);
          continue;
        }
        // The line end that closes the chunk before this header.
        if (pending[0] === 13 && pending[1] === 10) pending = pending.subarray(2);
        const end = pending.indexOf('\r\n');
        if (end < 0) break;
        left = Number.parseInt(pending.subarray(0, end).toString('latin1'), 16);
        if (Number.isNaN(left)) return done(new Error('The body is not aws-chunked.'));
        pending = pending.subarray(end + 2);
        ended = left === 0;
      }
      done();
    },
    flush(done) {
      done(ended ? null : new Error('The body was cut off.'));
    },
  });
}
