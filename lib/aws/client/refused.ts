import type { Clause, Clauses, Conditional, Item, NamedWrites, Write } from './writes.ts';

/** A conditional write that DynamoDB did not do: `failed[i]` is true for each write that failed, `olds[i]` is its item at that time. */
export class ConditionFailed extends Error {
  override name = 'ConditionFailed';
  readonly failed: boolean[];
  /** Not a property: loggers print those of errors, and items hold texts and secrets. */
  readonly #olds: (Item | undefined)[];
  constructor(
    failed: boolean[],
    olds: (Item | undefined)[],
    message = `the conditions of write ${failed.flatMap((f, i) => (f ? [i] : [])).join(', ')} did not hold`,
  ) {
    super(message);
    this.failed = failed;
    this.#olds = olds;
  }

  get olds(): (Item | undefined)[] {
    return this.#olds;
  }
}

/** A write of one item that DynamoDB refused, because a clause of its condition did not hold. `try..` return it, the other methods throw it. */
export class Refused extends ConditionFailed {
  /** Private: clauses carry values. */
  readonly #condition: Conditional['condition'];

  constructor(condition: Conditional['condition'], old: Item | undefined) {
    super([true], [old], `The table refused a write: ${whyNot(condition, old)}.`);
    this.#condition = condition;
  }

  /** Returns the item as it stood; undefined when there was none. */
  old<T = Item>(): T | undefined {
    return this.olds[0] as T | undefined;
  }

  /** Returns whether this clause did not hold. The clause must have a function `held`. */
  by(clause: string): boolean {
    return brokeClause(this.#condition, clause, this.olds[0]);
  }
}

/** A transaction that DynamoDB refused as a whole: each method answers for the writes under one name. */
export class RefusedTransaction<Name extends string = string> extends ConditionFailed {
  readonly #writes: { name: string; write: Write }[];

  constructor(writes: { name: string; write: Write }[], failed: boolean[], olds: (Item | undefined)[]) {
    const reasons = writes.flatMap(({ name, write }, index) =>
      failed[index] === true ? [`${name} (${whyNot(write.condition, olds[index])})`] : [],
    );
    super(failed, olds, `The table refused a transaction over ${[...new Set(reasons)].join(', ')}.`);
    this.#writes = writes;
  }

  /**
   * Returns whether the write of this name, or one of several, was a reason to refuse. With `clause`: and this clause of it did not hold; the
   * clause must have a function `held`.
   */
  by(name: Name, clause?: string): boolean {
    return this.#writes.some(
      ({ name: own, write }, index) =>
        own === name &&
        this.failed[index] === true &&
        (clause === undefined || brokeClause(write.condition, clause, this.olds[index])),
    );
  }

  /** Returns the item of this name as it stood. Undefined when there was none, or when its write was no reason to refuse. */
  old<T = Item>(name: Name): T | undefined {
    const index = this.#writes.findIndex((one, at) => one.name === name && this.failed[at] === true);
    return this.olds[index] as T | undefined;
  }

  /** For a name with several writes: returns for each, in their order, whether it was a reason to refuse. */
  among(name: Name): boolean[] {
    return this.#writes.flatMap((one, index) => (one.name === name ? [this.failed[index] === true] : []));
  }
}

/** The writes of a transaction as a list, each with its name. */
export function listed(writes: NamedWrites): { name: string; write: Write }[] {
  return Object.entries(writes).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const several: readonly Write[] = Array.isArray(value) ? value : [value];
    return several.map((write) => ({ name, write }));
  });
}

function brokeClause(condition: Conditional['condition'], name: string, old: Item | undefined): boolean {
  if (typeof condition !== 'object' || !(name in condition)) throw new TypeError(`the condition has no clause ${name}`);
  const clause = condition[name];
  if (clause === undefined) return false;
  const held = heldFor(clause, old);
  if (held === undefined) throw new TypeError(`the clause ${name} cannot tell whether it held`);
  return !held;
}

/** Returns the clauses that did not hold, by name; those that may have failed when none is certain. It goes into logs, so it has no values. */
function whyNot(condition: Conditional['condition'], old: Item | undefined): string {
  const clauses: Clauses = typeof condition === 'object' ? condition : {};
  const all = Object.entries(clauses).flatMap(([name, clause]) =>
    clause === undefined ? [] : [{ name, held: heldFor(clause, old) }],
  );
  const sure = all.filter(({ held }) => held === false);
  const suspects = all.filter(({ held }) => held === undefined);
  const names = (sure.length > 0 ? sure : suspects).map(({ name }) => name);
  return names.length === 0 ? 'its condition did not hold' : `${names.join(' or ')} did not hold`;
}

const heldFor = (clause: Clause, old: Item | undefined): boolean | undefined =>
  typeof clause === 'string' ? undefined : clause.held?.(old);
