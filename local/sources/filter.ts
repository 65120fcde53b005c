import { isObject, type Json, type JsonObject } from '../template/json.ts';

/**
 * Returns whether an event matches an event filter pattern (JSON text) of Lambda's event source mappings. Each field of the pattern lists its allowed
 * values; all fields must match; `$or` lists alternatives. A list in the event matches when one of its items does.
 * Supports exists, prefix, suffix, equals-ignore-case, anything-but and numeric. Throws for other operators.
 */
export function matchesFilter(pattern: string, event: Json): boolean {
  const parsed: Json = JSON.parse(pattern);
  return isObject(parsed) && matchesObject(parsed, event);
}

/** Returns whether an event matches one of the filters, or there are none. */
export function passesFilters(patterns: string[], event: Json): boolean {
  return patterns.length === 0 || patterns.some((pattern) => matchesFilter(pattern, event));
}

function matchesObject(pattern: JsonObject, event: Json | undefined): boolean {
  return Object.entries(pattern).every(([key, rule]) => {
    if (key === '$or' && Array.isArray(rule)) {
      return rule.some((one) => isObject(one) && matchesObject(one, event));
    }
    const value = isObject(event) ? event[key] : undefined;
    if (Array.isArray(rule)) return rule.some((one) => matchesRule(one, value));
    return isObject(rule) && matchesObject(rule, value);
  });
}

function matchesRule(rule: Json, value: Json | undefined): boolean {
  const values = Array.isArray(value) ? value : [value];
  if (!isObject(rule)) return values.some((one) => one === rule);
  const name = Object.keys(rule)[0] ?? '';
  const argument = rule[name] ?? null;
  if (name === 'exists') return (value !== undefined) === argument;
  return values.some((one) => one !== undefined && matchesOperator(name, argument, one));
}

function matchesOperator(name: string, argument: Json, value: Json): boolean {
  const text = typeof value === 'string' ? value : undefined;
  switch (name) {
    case 'prefix':
      return text?.startsWith(String(argument)) === true;
    case 'suffix':
      return text?.endsWith(String(argument)) === true;
    case 'equals-ignore-case':
      return text?.toLowerCase() === String(argument).toLowerCase();
    case 'anything-but': {
      const excluded = Array.isArray(argument) ? argument : [argument];
      return !excluded.some((one) => matchesRule(one, value));
    }
    case 'numeric':
      return typeof value === 'number' && Array.isArray(argument) && matchesNumeric(argument, value);
    default:
      throw new Error(`Local mode does not know the event filter "${name}".`);
  }
}

/** `['>', 0, '<=', 5]` */
function matchesNumeric(conditions: Json[], value: number): boolean {
  for (let at = 0; at + 1 < conditions.length; at += 2) {
    const limit = Number(conditions[at + 1]);
    const holds = {
      '=': value === limit,
      '>': value > limit,
      '>=': value >= limit,
      '<': value < limit,
      '<=': value <= limit,
    };
    const operator = conditions[at];
    if (typeof operator !== 'string' || !(operator in holds)) return false;
    if (!holds[operator as keyof typeof holds]) return false;
  }
  return true;
}
