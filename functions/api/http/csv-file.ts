import { z } from '@hono/zod-openapi';
import { exportKey, presignDownload } from '../../../lib/aws/contracts/pages.ts';
import type { Deps } from '../../../lib/aws/deps.ts';
import { newId } from '../../../lib/domain/ids.ts';
import type { Call } from './context.ts';

/** A larger file goes through S3. An answer of a Lambda function has at most 6 MB, escaped. */
const maxInlineBytes = 3_000_000;

/** The answers of a route that returns a CSV file. */
export const csvFile = {
  200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } },
  302: {
    description: 'Above about 3 MB: the URL of the file, valid for an hour',
    headers: z.object({ Location: z.url() }),
  },
} as const;

/** Returns an answer with the file, or a redirect to a URL that is valid for an hour. `owner`: the contract, or the name of the list. */
export async function answerFile(
  c: Call,
  deps: Deps,
  file: { tenantId: string; owner: string; name: string; bytes: Buffer },
) {
  const contentType = 'text/csv; charset=utf-8';
  if (file.bytes.byteLength > maxInlineBytes) {
    const key = exportKey(file.tenantId, file.owner, newId('req', deps.nowMs(), deps.randomBytes));
    await deps.pages.put(key, file.bytes, contentType);
    return c.redirect(await presignDownload(deps.s3, deps.config.PAGES_BUCKET, key, file.name), 302);
  }
  return c.body(new Uint8Array(file.bytes), 200, {
    'Content-Type': contentType,
    'Content-Disposition': `attachment; filename="${file.name}"`,
  });
}
