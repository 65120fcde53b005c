import { z } from '@hono/zod-openapi';
import { type EventSelector, eventGroups, eventTypes, notPublishedYet } from '../../../lib/domain/event-types.ts';

/** Returns the schema of a display name: 1 to `max` characters without control characters. */
export function nameOf(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text) && text.isWellFormed(), 'Must not contain control characters.');
}

/** Tells API users how numbers are read. The rules are in `readNumber` (lib/domain/people/phone.ts). */
export const numberDescription =
  'Any common spelling, in digits of any script. With `+`, `00` or `@s.whatsapp.net` a number is international; a leading 0 makes it national. ' +
  'Digits alone follow the first rule that fits: international in the default country; the only valid reading; the only mobile reading; ' +
  'somebody who has opted out or written to you; national, with the warning AMBIGUOUS_NUMBER. A foreign reading gets the warning FOREIGN_NUMBER.';

/** Tells API users how a filter reads a number. */
export const filterDescription =
  'A number in any spelling, or `lid:` and the LID. Digits that can be read in several ways match each reading, and both spellings of Brazilian, Mexican and Argentine numbers match.';

const selectors: readonly string[] = [...eventGroups, ...eventTypes];

/** Schema of an event type or a group of types. Types of unbuilt parts are refused with NOT_SUPPORTED. */
export const eventSelector = z
  .string()
  .superRefine((value, context) => {
    if (selectors.includes(value)) return;
    const notYet = notPublishedYet(value);
    const choices = selectors.map((selector) => `"${selector}"`).join(', ');
    context.addIssue({
      code: 'custom',
      message: notYet ?? `Must be one of ${choices}.`,
      params: { code: notYet === undefined ? 'INVALID' : 'NOT_SUPPORTED' },
    });
  })
  .transform((value) => value as EventSelector)
  .openapi({ type: 'string', enum: [...selectors] });

/** Returns the schema of a field that is not built yet. Sending it is refused with NOT_SUPPORTED and the sentence `what`. */
export function notBuilt(what: string) {
  return z
    .unknown()
    .optional()
    .superRefine((value, context) => {
      if (value !== undefined) context.addIssue({ code: 'custom', message: what, params: { code: 'NOT_SUPPORTED' } });
    })
    .openapi({ description: what });
}
