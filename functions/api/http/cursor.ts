import { z } from 'zod';
import { PacelineError } from '../../../lib/domain/errors.ts';

/** Returns the cursor of a list. It is opaque to callers and has no partition key, so it cannot refer to items of another tenant. */
export function encodeCursor(list: string, position: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify({ l: list, ...position })).toString('base64url');
}

/** Returns the position in a cursor. Throws BAD_CURSOR when the cursor is damaged, of another list, or not from this API. */
export function decodeCursor<T extends z.ZodRawShape>(
  text: string | undefined,
  list: string,
  shape: T,
): z.infer<z.ZodObject<T>> | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return z.object({ l: z.literal(list), ...shape }).parse(parsed) as z.infer<z.ZodObject<T>>;
  } catch (cause) {
    throw new PacelineError('BAD_CURSOR', 'The cursor does not belong to this list; start again without it.', {
      cause,
    });
  }
}

/** A position by id: a prefix of three letters and up to 40 characters. */
export const idPosition = z.string().regex(/^[a-z]{3}_[0-9A-Za-z]{1,40}$/);

/**
 * Returns the cursor functions of a list. `asked` gives the page that a cursor asks for, `cursorAt` the cursor behind `next`. The position is by
 * default an id.
 */
export function listCursors(list: string, position: z.ZodString = idPosition) {
  return {
    asked({ limit, cursor }: { limit: number; cursor?: string | undefined }): { limit: number; before?: string } {
      const before = decodeCursor(cursor, list, { b: position })?.b;
      return before === undefined ? { limit } : { limit, before };
    },
    cursorAt: (next: string | undefined): string | null =>
      next === undefined ? null : encodeCursor(list, { b: next }),
  };
}
