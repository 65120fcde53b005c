import { z } from '@hono/zod-openapi';

/** A name people read: 1 to `max` characters without control characters. */
export function nameOf(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text) && text.isWellFormed(), 'Must not contain control characters.');
}

/** A field of a later release: known, and refused with NOT_SUPPORTED when sent. `what` is a sentence. */
export function notBuilt(what: string) {
  return z
    .unknown()
    .optional()
    .superRefine((value, context) => {
      if (value !== undefined) context.addIssue({ code: 'custom', message: what, params: { code: 'NOT_SUPPORTED' } });
    })
    .openapi({ description: what });
}
