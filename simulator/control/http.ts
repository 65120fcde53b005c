import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as z from 'zod';
import { sentenceOf } from '../../lib/domain/field-sentences.ts';
import type { World } from '../world.ts';

/** The answer of a route. */
export type Reply = { readonly status: number; readonly body?: unknown };

type FieldError = { readonly path: string; readonly code: string; readonly message: string };

/** The reason for a refused request, as an RFC 9457 problem. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly errors: readonly FieldError[] | undefined;

  constructor(status: number, code: string, detail: string, more: { cause?: unknown; errors?: FieldError[] } = {}) {
    super(detail, { cause: more.cause });
    this.status = status;
    this.code = code;
    this.errors = more.errors;
  }
}

const MOST_BODY_BYTES = 1 << 20;
const TITLES: Record<number, string> = {
  400: 'Malformed request',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Body too large',
  422: 'Invalid request',
};

/** The path of a request, without its query. */
export const pathOf = ({ url = '/' }: IncomingMessage): string => url.split('?', 1)[0] ?? '/';

/** Returns the number in a path. Throws 422 unless it has 5 to 15 digits. */
export function asNumber(text: string): string {
  if (/^\d{5,15}$/.test(text)) return text;
  throw new Problem(422, 'INVALID_NUMBER', 'The number in the path must have 5 to 15 digits and nothing else.');
}

/** Returns the JSON body, checked by the schema. Throws 400, 413 or 422. */
export async function bodyOf<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Refusing a body must not close the connection before the answer is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES) throw new Problem(413, 'PAYLOAD_TOO_LARGE', 'The body has more than 1 MB.');
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (!isUtf8(body)) throw new Problem(400, 'MALFORMED_JSON', 'The body is not UTF-8; send JSON in UTF-8.');
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Problem(400, 'MALFORMED_JSON', 'The body is not JSON.', { cause: error });
  }
  const parsed = schema.safeParse(json, { error: sentenceOf });
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map((issue) => ({
    path: `/${issue.path.map(String).join('/')}`,
    code: issue.code,
    message: issue.code === 'unrecognized_keys' ? `There is no field "${issue.keys[0] ?? ''}".` : issue.message,
  }));
  const [first] = errors;
  throw new Problem(422, 'INVALID_BODY', `${first?.path ?? '/'}: ${first?.message ?? 'invalid'}`, { errors });
}

/** Writes the handler's reply, or the problem it throws, once its changes are durable. */
export async function answer(
  response: ServerResponse,
  { storage, logger }: Pick<World, 'storage' | 'logger'>,
  handle: () => Promise<Reply>,
): Promise<void> {
  let reply: Reply;
  let type = 'application/json';
  try {
    reply = await handle();
  } catch (error) {
    const problem =
      error instanceof Problem ? error : new Problem(500, 'INTERNAL', 'The simulator failed.', { cause: error });
    if (problem.status >= 500)
      logger.warn({ stack: error instanceof Error ? error.stack : undefined }, 'control failed');
    type = 'application/problem+json';
    const { status, code, message, errors } = problem;
    const body = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, code, detail: message };
    reply = { status, body: errors ? { ...body, errors } : body };
  }
  storage.whenDurable(() => {
    if (reply.body === undefined) response.writeHead(reply.status).end();
    else response.writeHead(reply.status, { 'content-type': type }).end(JSON.stringify(reply.body));
  });
}
