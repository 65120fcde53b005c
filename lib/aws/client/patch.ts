import type { Item } from './writes.ts';

/** An update expression with the names and plain values that it uses. Spread it into a write beside key and condition. */
export interface Patch {
  update: string;
  names: Record<string, string>;
  values: Item;
}

/** A change that depends on the present value of the attribute; made by `added`, `appended` and `unlessSet`. */
class Change {
  readonly kind: 'add' | 'append' | 'unless set';
  readonly by: unknown;
  constructor(kind: Change['kind'], by: unknown) {
    this.kind = kind;
    this.by = by;
  }
}

/** Adds to a number; a missing attribute counts as 0. */
export const added = (by: number): unknown => new Change('add', by);

/** Appends entries to a list, which must exist. */
export const appended = (entries: unknown[]): unknown => new Change('append', entries);

/** Sets the attribute unless it has a value. */
export const unlessSet = (value: unknown): unknown => new Change('unless set', value);

/**
 * Returns the update that sets each field to its value and removes those that are undefined:
 *
 *   patch({ status: 'connected', statusReason: undefined, epoch: added(1) })
 *   -> SET #status = :status REMOVE #statusReason ADD #epoch :epoch
 *
 * Attribute `x` is `#x` and its value `:x`, for conditions too. Throws RangeError when there is nothing to change, which DynamoDB refuses.
 */
export function patch(fields: Item): Patch {
  const parts = { SET: [] as string[], REMOVE: [] as string[], ADD: [] as string[] };
  const values: Item = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) {
      parts.REMOVE.push(`#${name}`);
      continue;
    }
    values[`:${name}`] = value instanceof Change ? value.by : value;
    if (!(value instanceof Change)) parts.SET.push(`#${name} = :${name}`);
    else if (value.kind === 'add') parts.ADD.push(`#${name} :${name}`);
    else if (value.kind === 'append') parts.SET.push(`#${name} = list_append(#${name}, :${name})`);
    else parts.SET.push(`#${name} = if_not_exists(#${name}, :${name})`);
  }
  const update = Object.entries(parts).flatMap(([verb, all]) =>
    all.length === 0 ? [] : [`${verb} ${all.join(', ')}`],
  );
  if (update.length === 0) throw new RangeError('a patch of nothing');
  return {
    update: update.join(' '),
    names: Object.fromEntries(Object.keys(fields).map((name) => [`#${name}`, name])),
    values,
  };
}

/**
 * Returns the fields of a change request in the form for `patch`: fields not given stay as they are, null removes a `removable` attribute. For other
 * attributes null is a value.
 */
export function given(changes: Item, removable: (name: string) => boolean = () => false): Item {
  const fields = Object.entries(changes).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    fields.map(([name, value]) => [name, value === null && removable(name) ? undefined : value]),
  );
}
