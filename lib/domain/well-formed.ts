/**
 * Well-formed text. A character beyond U+FFFF is two UTF-16 units (a surrogate pair). One unit without the other is ill-formed: DynamoDB
 * refuses it, and UTF-8 cannot encode it. API callers and WhatsApp clients can send such half characters. A cut inside a pair makes one, too.
 */

/** Returns at most `maxUnits` UTF-16 units from the start of `text`, always well-formed. Use it for every cut of text from outside. */
export function cut(text: string, maxUnits: number): string {
  const kept = text.slice(0, maxUnits);
  // A character that the cut splits is dropped, not replaced by U+FFFD.
  const splits = isFirstHalf(kept.charCodeAt(kept.length - 1)) && isSecondHalf(text.charCodeAt(maxUnits));
  return (splits ? kept.slice(0, -1) : kept).toWellFormed();
}

const isFirstHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isSecondHalf = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** An ill-formed string in a JSON value: its path, and whether it is the name of a field or a value. */
export interface IllFormed {
  path: (string | number)[];
  kind: 'name' | 'value';
}

/** Returns all ill-formed strings in a value of JSON.parse, in order, including names of fields. Works at any depth. */
export function findIllFormed(value: unknown): IllFormed[] {
  const found: IllFormed[] = [];
  // A list instead of recursion: a deeply nested body must not overflow the stack.
  const open: Place[] = [{ value }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (typeof at.name === 'string' && !at.name.isWellFormed()) found.push({ path: pathOf(at), kind: 'name' });
    if (typeof at.value === 'string') {
      if (!at.value.isWellFormed()) found.push({ path: pathOf(at), kind: 'value' });
    } else if (isContainer(at.value)) {
      const isList = Array.isArray(at.value);
      const inside = Object.entries(at.value);
      for (const [name, entry] of inside.reverse()) {
        open.push({ value: entry, name: isList ? Number(name) : name, parent: at });
      }
    }
  }
  return found;
}

interface Place {
  value: unknown;
  /** Absent for the root, like `parent`. */
  name?: string | number;
  parent?: Place;
}

function pathOf(place: Place): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: Place | undefined = place; at?.name !== undefined; at = at.parent) path.push(at.name);
  return path.reverse();
}

/** Returns the value with U+FFFD for each half character; the same value if it has none. It looks into lists and plain objects. */
export function mended<T>(value: T): T {
  if (typeof value === 'string') return value.toWellFormed() as T;
  if (!isContainer(value)) return value;
  if (Array.isArray(value)) {
    const entries = value.map(mended);
    return entries.some((entry, index) => entry !== value[index]) ? (entries as T) : value;
  }
  let changed = false;
  const entries = Object.entries(value).map(([name, entry]) => {
    const whole: [string, unknown] = [name.toWellFormed(), mended(entry)];
    changed ||= whole[0] !== name || whole[1] !== entry;
    return whole;
  });
  return changed ? (Object.fromEntries(entries) as T) : value;
}

/** Returns whether a value is a list or a plain object; bytes and sets are neither. */
function isContainer(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}
