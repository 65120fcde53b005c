import { z } from '@hono/zod-openapi';
import { type EventSelector, eventGroups, eventTypes, notToldYet } from '../../../lib/domain/event-types.ts';

/** A name people read: 1 to `max` characters without control characters. */
export function nameOf(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text) && text.isWellFormed(), 'Must not contain control characters.');
}

/** How numbers are read everywhere (lib/domain/people/phone.ts). */
export const numberDescription =
  'In any common spelling and in digits of any script. `+`, `00` and `@s.whatsapp.net` are international; a leading 0 is national of the default country. ' +
  'Digits alone are what answers print: international of the default country, else the only valid reading, else the mobile one, else the person you ' +
  'know by these digits, else national with the warning AMBIGUOUS_NUMBER. A foreign reading of digits alone is warned of as FOREIGN_NUMBER.';

/** How filters read a number. */
export const filterDescription =
  'A number in any spelling, or `lid:` and the LID. Digits that can be read in several ways match each reading, and both spellings of Brazilian, Mexican and Argentine numbers match.';

const selectors: readonly string[] = [...eventGroups, ...eventTypes];

/** A type of events or a group of them. What nothing can tell yet is refused by a sentence of its own. */
export const eventSelector = z
  .string()
  .superRefine((value, context) => {
    if (selectors.includes(value)) return;
    const notYet = notToldYet(value);
    const choices = selectors.map((selector) => `"${selector}"`).join(', ');
    context.addIssue({
      code: 'custom',
      message: notYet ?? `Must be one of ${choices}.`,
      params: { code: notYet === undefined ? 'INVALID' : 'NOT_SUPPORTED' },
    });
  })
  .transform((value) => value as EventSelector)
  .openapi({ type: 'string', enum: [...selectors] });

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
