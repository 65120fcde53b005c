import type { z } from 'zod';

/** The sentence for a missing field. */
export const requiredSentence = 'This field is required.';

const kinds: Record<string, string> = {
  string: 'Must be a string.',
  number: 'Must be a number.',
  int: 'Must be a whole number.',
  boolean: 'Must be true or false.',
  array: 'Must be a list.',
  tuple: 'Must be a list.',
  object: 'Must be an object.',
  record: 'Must be an object.',
  null: 'Must be null.',
};

const formats: Record<string, string> = {
  datetime: 'Must be an ISO 8601 time, such as 2026-11-20T09:30:00Z.',
  url: 'Must be a URL.',
};

/**
 * The error map of zod: returns the sentence that callers of the API read. Undefined for issues whose message comes from the schema or from zod.
 */
export function sentenceOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'unrecognized_keys' || issue.code === 'custom') return undefined;
  if (issue.input === undefined) return requiredSentence;
  switch (issue.code) {
    case 'invalid_type':
      return kinds[issue.expected] ?? 'Has the wrong type.';
    case 'invalid_value':
      return issue.values.length === 1
        ? `Must be ${shown(issue.values[0])}.`
        : `Must be one of ${issue.values.map(shown).join(', ')}.`;
    case 'too_big':
      return `Must ${amount(issue.origin, 'at most', issue.maximum)}.`;
    case 'too_small':
      if (issue.origin === 'string' && issue.minimum === 1) return 'Must not be empty.';
      return `Must ${amount(issue.origin, 'at least', issue.minimum)}.`;
    case 'invalid_format':
      return formats[issue.format] ?? 'Has the wrong format.';
    default:
      return 'Has the wrong format.';
  }
}

function amount(origin: string, limit: string, number: number | bigint): string {
  if (origin === 'string') return `have ${limit} ${number} characters`;
  if (origin === 'array' || origin === 'set') return `have ${limit} ${number} entries`;
  return `be ${limit} ${number}`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}
