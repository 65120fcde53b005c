import type { Clause, Clauses, Item, NamedWrites, Write } from './writes.ts';

/**
 * A write of one item that DynamoDB refused, because a clause of its condition did not hold. `try..` return it, the other methods throw it. What it
 * knows is private: loggers print the properties of errors, items hold texts and secrets, and clauses carry values.
 */
export class Refused extends Error {
  override name = 'Refused';
  readonly #condition: Clauses | undefined;
  readonly #old: Item | undefined;

  constructor(condition: Clauses | undefined, old: Item | undefined) {
    super(`The table refused a write: ${whyNot(condition, old)}.`);
    this.#condition = condition;
    this.#old = old;
  }

  /** Returns the item before the write; undefined when there was none. */
  old<T = Item>(): T | undefined {
    return this.#old as T | undefined;
  }

  /** Returns whether this clause did not hold. The clause must have a function `held`. */
  by(clause: string): boolean {
    return brokeClause(this.#condition, clause, this.#old);
  }
}

/** One write of a transaction: whether it was a reason to refuse, and then the item as it stood. */
interface Part {
  name: string;
  condition: Clauses | undefined;
  refused: boolean;
  old: Item | undefined;
}

/** A transaction that DynamoDB refused as a whole. Each method is about the writes under one name. */
export class RefusedTransaction<Name extends string = string> extends Error {
  override name = 'RefusedTransaction';
  /** Private, as in Refused. */
  readonly #parts: readonly Part[];

  constructor(writes: { name: string; write: Write }[], failed: boolean[], olds: (Item | undefined)[]) {
    const parts = writes.map(({ name, write: { condition } }, index): Part => {
      return { name, condition, refused: failed[index] === true, old: olds[index] };
    });
    const reasons = parts.flatMap(({ name, condition, refused, old }) =>
      refused ? [`${name} (${whyNot(condition, old)})`] : [],
    );
    super(`The table refused a transaction over ${[...new Set(reasons)].join(', ')}.`);
    this.#parts = parts;
  }

  /**
   * Returns whether a write under this name was a reason for the refusal. With `clause`: whether also this clause of it did not hold. The clause must
   * have a function `held`.
   */
  by(name: Name, clause?: string): boolean {
    return this.#of(name).some(
      ({ refused, condition, old }) => refused && (clause === undefined || brokeClause(condition, clause, old)),
    );
  }

  /** Returns the item of this name before the write. Undefined when there was none, or when its write was no reason for the refusal. */
  old<T = Item>(name: Name): T | undefined {
    return this.#of(name).find(({ refused }) => refused)?.old as T | undefined;
  }

  /** Returns for each write under this name, in their order, whether it was a reason for the refusal. */
  among(name: Name): boolean[] {
    return this.#of(name).map(({ refused }) => refused);
  }

  #of(name: Name): Part[] {
    return this.#parts.filter((one) => one.name === name);
  }
}

/** Returns the writes of a transaction as a list, each with its name. */
export function listed(writes: NamedWrites): { name: string; write: Write }[] {
  return Object.entries(writes).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const several: readonly Write[] = Array.isArray(value) ? value : [value];
    return several.map((write) => ({ name, write }));
  });
}

function brokeClause(condition: Clauses | undefined, name: string, old: Item | undefined): boolean {
  if (condition === undefined || !(name in condition)) throw new TypeError(`the condition has no clause ${name}`);
  const clause = condition[name];
  if (clause === undefined) return false;
  const held = heldFor(clause, old);
  if (held === undefined) throw new TypeError(`the clause ${name} cannot tell whether it held`);
  return !held;
}

/** Returns the clauses that did not hold, by name; those that may have failed when none is certain. It goes into logs, so it has no values. */
function whyNot(condition: Clauses | undefined, old: Item | undefined): string {
  const all = Object.entries(condition ?? {}).flatMap(([name, clause]) =>
    clause === undefined ? [] : [{ name, held: heldFor(clause, old) }],
  );
  const sure = all.filter(({ held }) => held === false);
  const suspects = all.filter(({ held }) => held === undefined);
  const names = (sure.length > 0 ? sure : suspects).map(({ name }) => name);
  return names.length === 0 ? 'its condition did not hold' : `${names.join(' or ')} did not hold`;
}

const heldFor = (clause: Clause, old: Item | undefined): boolean | undefined =>
  typeof clause === 'string' ? undefined : clause.held?.(old);
