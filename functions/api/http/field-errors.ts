import type { z } from 'zod';
import { type FieldError, type FieldErrorCode, PacelineError } from '../../../lib/domain/errors.ts';
import { requiredSentence } from '../../../lib/domain/field-sentences.ts';
import { cut, type IllFormed } from '../../../lib/domain/well-formed.ts';

/** The most errors that an answer lists. Its `detail` counts all of them. */
export const maxListedErrors = 1000;

/** Returns a VALIDATION error that lists up to 1,000 wrong fields. `detail` says how many there are and names the first. */
export function invalid(errors: FieldError[]): PacelineError {
  const [first] = errors;
  const count = errors.length === 1 ? 'One field is' : `${errors.length} fields are`;
  const row = first?.row === undefined ? '' : ` (row ${first.row})`;
  const where = first === undefined || first.path === '' ? '' : `${first.path}${row}: `;
  const listed = errors.length > maxListedErrors ? ` The first ${maxListedErrors} are listed.` : '';
  return new PacelineError('VALIDATION', `${count} not valid. ${where}${first?.message ?? ''}${listed}`, {
    errors: errors.slice(0, maxListedErrors),
  });
}

/** Returns zod's issues as field errors. `target` is the place of the fields (`json`, `query`). Errors in elements of `recipients` get a row. */
export function fieldErrorsOf(error: z.ZodError, target = 'json'): FieldError[] {
  return error.issues.flatMap((issue): FieldError[] => {
    const path = issue.path.map(String);
    const at = (more: string[]): Pick<FieldError, 'path' | 'row'> => ({
      path: pointer([...path, ...more]),
      ...(path[0] === rowsField && typeof issue.path[1] === 'number' ? { row: issue.path[1] + 1 } : {}),
    });
    if (issue.code === 'unrecognized_keys') {
      const kind = target === 'query' ? 'query parameter' : 'field';
      return issue.keys.map((key) => ({
        ...at([key]),
        code: 'UNKNOWN_FIELD',
        message: `There is no ${kind} "${cut(key, 100)}".`,
      }));
    }
    const isBody = target === 'json' && path.length === 0 && issue.code === 'invalid_type';
    return [{ ...at([]), code: codeOf(issue), message: isBody ? 'The body must be a JSON object.' : issue.message }];
  });
}

const rowsField = 'recipients';

/** Returns field errors for strings with half of a surrogate pair. */
export function illFormedErrors(found: IllFormed[]): FieldError[] {
  return found.map(({ path, kind }) => {
    const what = kind === 'name' ? 'The name of this field' : 'The text';
    const isText = kind === 'value' && /^(message|text)$/.test(String(path.at(-1)));
    return {
      path: pointer(path.map((part) => cut(String(part), 100))),
      ...(path[0] === rowsField && typeof path[1] === 'number' ? { row: path[1] + 1 } : {}),
      code: isText ? ('TEXT_CONTROL_CHARACTERS' as const) : ('INVALID' as const),
      message: `${what} contains half of a character (an unpaired surrogate); cut texts between characters.`,
    };
  });
}

function codeOf(issue: z.core.$ZodIssue): FieldErrorCode {
  if (issue.message === requiredSentence) return 'REQUIRED';
  switch (issue.code) {
    case 'too_big':
      return issue.path[0] === rowsField && issue.path.length === 1 ? 'TOO_MANY_ROWS' : 'OUT_OF_RANGE';
    case 'too_small':
      return issue.origin === 'string' ? 'REQUIRED' : 'OUT_OF_RANGE';
    case 'custom': {
      const code: unknown = issue.params?.code;
      return typeof code === 'string' ? (code as FieldErrorCode) : 'INVALID';
    }
    default:
      return 'INVALID';
  }
}

/** Returns a JSON pointer (RFC 6901). */
function pointer(path: string[]): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
