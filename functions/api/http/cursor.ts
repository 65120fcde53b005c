import { z } from 'zod';
import { PacelineError } from '../../../lib/domain/errors.ts';

/** Where a list goes on: opaque to callers, and never a partition key, so that it cannot name another tenant's things. */
export function encodeCursor(list: string, position: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify({ l: list, ...position })).toString('base64url');
}

/** Throws BAD_CURSOR for one that is not ours, of another list, or damaged. */
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
    throw new PacelineError('BAD_CURSOR', 'The cursor is not one this list gave out; start again without it.', {
      cause,
    });
  }
}

/** Positions by id: at most 60 characters of ours. */
export const idPosition = z.string().regex(/^[a-z]{3}_[0-9A-Za-z]{1,40}$/);

/** A list that goes on behind a place, by default an id: what its cursor asks for, and the cursor behind `next`. */
export function pagesOf(list: string, position: z.ZodString = idPosition) {
  return {
    asked({ limit, cursor }: { limit: number; cursor?: string | undefined }): { limit: number; before?: string } {
      const before = decodeCursor(cursor, list, { b: position })?.b;
      return before === undefined ? { limit } : { limit, before };
    },
    cursorAt: (next: string | undefined): string | null =>
      next === undefined ? null : encodeCursor(list, { b: next }),
  };
}
