import type { AttributeValue, TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { mended } from '../../domain/well-formed.ts';
import type { Key } from '../keys.ts';

export type Item = Record<string, unknown>;

/**
 * One clause of a condition. DynamoDB says which write it refused, but not which clause. Give `held` when a caller must know that: it returns whether
 * the clause held for the item before the write (undefined: there was none).
 */
export type Clause =
  | string
  | {
      is: string;
      names?: Record<string, string>;
      values?: Item;
      held?(item: Item | undefined): boolean;
    };

/** The clauses of one condition, by name; all must hold. An undefined clause is left out. */
export type Clauses = Readonly<Record<string, Clause | undefined>>;

/** Clause: the item exists. */
export const present = {
  is: 'attribute_exists(pk)',
  held: (item: Item | undefined): boolean => item !== undefined,
} satisfies Clause;

/** Clause: the item does not exist. */
export const absent = {
  is: 'attribute_not_exists(pk)',
  held: (item: Item | undefined): boolean => item === undefined,
} satisfies Clause;

/** A condition with the names and plain values that it uses. */
export interface Conditional {
  condition?: Clauses;
  names?: Record<string, string>;
  values?: Item;
}

export type Write =
  | ({ put: Item & Key } & Conditional)
  | ({ update: string; key: Key } & Conditional)
  | ({ delete: Key } & Conditional)
  | ({ check: Key; condition: Clauses } & Conditional);

/** The writes of one transaction, by name. A name may have several writes, or none. */
export type NamedWrites<Name extends string = string> = {
  readonly [K in Name]?: Write | readonly Write[] | undefined;
};

/** DynamoDB refuses text with half of a surrogate pair, at each retry too. So all text is mended here, after the earlier checks. */
export const toAttributes = (item: Item): Record<string, AttributeValue> =>
  marshall(mended(item), { removeUndefinedValues: true });

export const toKey = (key: Key): Record<string, AttributeValue> => ({
  pk: { S: key.pk.toWellFormed() },
  sk: { S: key.sk.toWellFormed() },
});

export const nameOf = ({ pk, sk }: Key): string => `${pk}\n${sk}`;

/** Returns a name for the item that a write touches. Two writes of one item have the same name; a transaction refuses them. */
export function targetOf(write: Write): string {
  if ('put' in write) return nameOf(write.put);
  if ('key' in write) return nameOf(write.key);
  return nameOf('delete' in write ? write.delete : write.check);
}

/** Returns a condition as parameters of a DynamoDB call. Throws RangeError when two clauses use a name or value differently. */
export function conditionInput({ condition, names, values }: Conditional) {
  const clauses = Object.values(condition ?? {}).filter((one) => one !== undefined);
  const all = { names: { ...names }, values: { ...values } };
  for (const clause of clauses) {
    if (typeof clause === 'string') continue;
    addTo(all.names, clause.names);
    addTo(all.values, clause.values);
  }
  const texts = clauses.map((clause) => (typeof clause === 'string' ? clause : clause.is));
  // A clause that contains OR needs parentheses, because AND binds more tightly.
  const joined = texts.map((text) => (texts.length > 1 && / OR /.test(text) ? `(${text})` : text)).join(' AND ');
  return {
    ConditionExpression: joined === '' ? undefined : joined,
    ExpressionAttributeNames: Object.keys(all.names).length === 0 ? undefined : all.names,
    ExpressionAttributeValues: Object.keys(all.values).length === 0 ? undefined : toAttributes(all.values),
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
  };
}

function addTo(all: Item, more: Item | undefined): void {
  for (const [name, value] of Object.entries(more ?? {})) {
    if (name in all && all[name] !== value) throw new RangeError(`${name} has two meanings in one write`);
    all[name] = value;
  }
}

export function toTransactItem(tableName: string, write: Write): TransactWriteItem {
  const common = { TableName: tableName, ...conditionInput(write) };
  if ('put' in write) return { Put: { ...common, Item: toAttributes(write.put) } };
  if ('update' in write) return { Update: { ...common, Key: toKey(write.key), UpdateExpression: write.update } };
  if ('delete' in write) return { Delete: { ...common, Key: toKey(write.delete) } };
  return { ConditionCheck: { ...common, Key: toKey(write.check), ConditionExpression: common.ConditionExpression } };
}
