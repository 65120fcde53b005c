import { inspect } from 'node:util';
import { ConditionalCheckFailedException, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { absent, present, Table, type Write } from '../../../lib/aws/client/table.ts';
import { createLogger } from '../../../lib/runtime/logger.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** A table whose calls are kept, and fail with `error` where one is given. */
function tableWith(error?: Error) {
  const sent: unknown[] = [];
  const client = {
    async send({ input }: { input: unknown }) {
      sent.push(input);
      if (error !== undefined) throw error;
      return {};
    },
  };
  return { table: new Table(client as never, 'paceline'), sent };
}

const of = (metadata = {}) => ({ message: 'refused', $metadata: metadata });
const cancelled = (...olds: (object | boolean)[]) =>
  new TransactionCanceledException({
    ...of(),
    CancellationReasons: olds.map((old) => {
      if (old === false) return { Code: 'None' };
      return { Code: 'ConditionalCheckFailed', ...(old === true ? {} : { Item: old as never }) };
    }),
  });

const message: Write = {
  update: 'SET #s = :sending',
  key: { pk: 'T#ten_1#M#msg_1', sk: 'M' },
  condition: { asRead: { is: '#s = :queued', names: { '#s': 'state' }, values: { ':queued': 'QUEUED' } } },
  names: { '#s': 'state' },
  values: { ':sending': 'SENDING' },
};
const owner: Write = {
  check: { pk: 'T#ten_1#A#acc_1', sk: 'O' },
  condition: {
    exists: present,
    ours: {
      is: '#o = :host',
      names: { '#o': 'owner' },
      values: { ':host': 'hst_1' },
      held: (hot) => hot?.owner === 'hst_1',
    },
    running: 'attribute_not_exists(stops)',
    optional: undefined,
  },
};

describe('a transaction under names', () => {
  it('is sent as a list in the order of the names, with the clauses of a condition joined', async () => {
    const { table, sent } = tableWith();
    const gone: Write[] = [{ delete: { pk: 'a', sk: 'x' } }, { delete: { pk: 'b', sk: 'x' } }];
    expect(await table.tryTransact({ message, none: undefined, gone, owner })).toBeUndefined();
    expect(sent).toEqual([
      {
        TransactItems: [
          {
            Update: {
              TableName: 'paceline',
              Key: { pk: { S: 'T#ten_1#M#msg_1' }, sk: { S: 'M' } },
              UpdateExpression: 'SET #s = :sending',
              ConditionExpression: '#s = :queued',
              ExpressionAttributeNames: { '#s': 'state' },
              ExpressionAttributeValues: { ':queued': { S: 'QUEUED' }, ':sending': { S: 'SENDING' } },
              ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            },
          },
          ...['a', 'b'].map((pk) => ({
            Delete: {
              TableName: 'paceline',
              Key: { pk: { S: pk }, sk: { S: 'x' } },
              ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            },
          })),
          {
            ConditionCheck: {
              TableName: 'paceline',
              Key: { pk: { S: 'T#ten_1#A#acc_1' }, sk: { S: 'O' } },
              ConditionExpression: 'attribute_exists(pk) AND #o = :host AND attribute_not_exists(stops)',
              ExpressionAttributeNames: { '#o': 'owner' },
              ExpressionAttributeValues: { ':host': { S: 'hst_1' } },
              ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            },
          },
        ],
      },
    ]);
  });

  it('that is refused says which names did it, by which clauses, and the items as they stood', async () => {
    const stood = { owner: { S: 'hst_1' }, stops: { N: '3' } };
    const refused = await tableWith(cancelled(false, stood)).table.tryTransact({ message, owner });
    expect(refused?.by('message')).toBe(false);
    expect(refused?.by('owner')).toBe(true);
    expect(refused?.by('owner', 'ours')).toBe(false);
    expect(refused?.by('owner', 'exists')).toBe(false);
    expect(refused?.by('owner', 'optional')).toBe(false);
    expect(refused?.old('owner')).toEqual({ owner: 'hst_1', stops: 3 });
    expect(refused?.old('message')).toBeUndefined();
    expect(refused?.message).toBe('The table refused a transaction over owner (running did not hold).');
    expect(() => refused?.by('owner', 'running')).toThrow('the clause running cannot tell whether it held');
    expect(() => refused?.by('owner', 'runing')).toThrow('the condition has no clause runing');
  });

  it('names a clause whose item is not there', async () => {
    const refused = await tableWith(cancelled(true, true)).table.tryTransact({ message, owner });
    expect([refused?.by('owner', 'exists'), refused?.by('owner', 'ours')]).toEqual([true, true]);
    expect(refused?.message).toBe(
      'The table refused a transaction over message (asRead did not hold), owner (exists or ours did not hold).',
    );
  });

  it('with several writes of one name says which of them did it', async () => {
    const { table } = tableWith(cancelled(false, true, false));
    const refused = await table.tryTransact({ owner, rows: [message, { ...message, key: { pk: 'b', sk: 'M' } }] });
    expect(refused?.by('rows')).toBe(true);
    expect(refused?.among('rows')).toEqual([true, false]);
  });

  it('throws the refusal where none is expected', async () => {
    const { table } = tableWith(cancelled(true));
    await expect(table.transact({ message })).rejects.toThrow('over message (asRead did not hold)');
  });
});

describe('a write of one item', () => {
  const key = { pk: 'a', sk: 'x' };
  const refusal = (Item?: object) => new ConditionalCheckFailedException({ ...of(), Item: Item as never });

  it('returns what refused it, or throws that', async () => {
    const { table } = tableWith(refusal({ state: { S: 'there' } }));
    const isNew = { condition: { idIsNew: absent } };
    const put = await table.tryPut({ ...key, state: 'new' }, isNew);
    expect([put?.by('idIsNew'), put?.old()]).toEqual([true, { state: 'there' }]);
    expect((await table.tryDelete(key, isNew))?.by('idIsNew')).toBe(true);
    const { item, refused } = await table.tryUpdate(key, { update: 'REMOVE x', ...isNew });
    expect([item, refused?.old()]).toEqual([undefined, { state: 'there' }]);
    const sentence = 'The table refused a write: idIsNew did not hold.';
    await expect(table.put({ ...key, state: 'new' }, isNew)).rejects.toThrow(sentence);
    await expect(table.update(key, { update: 'REMOVE x', ...isNew })).rejects.toThrow(sentence);
    await expect(table.delete(key, isNew)).rejects.toThrow(sentence);
  });

  it('puts a clause with an OR in brackets where there are several', async () => {
    const { table, sent } = tableWith();
    const either = 'attribute_not_exists(a) OR a = b';
    await table.delete(key, { condition: { either } });
    await table.delete(key, { condition: { exists: present, either } });
    expect(sent.map((input) => (input as { ConditionExpression: string }).ConditionExpression)).toEqual([
      either,
      `attribute_exists(pk) AND (${either})`,
    ]);
  });

  it('is not sent when two clauses mean different things by one name', async () => {
    const clause = (host: string) => ({ is: 'x = :host', values: { ':host': host } });
    const { table, sent } = tableWith();
    await expect(table.tryDelete(key, { condition: { a: clause('1'), b: clause('2') } })).rejects.toThrow(
      ':host has two meanings in one write',
    );
    expect(sent).toEqual([]);
  });
});

it('a refusal can be logged: items and values, texts and secrets in them, stay out', async () => {
  const old = { text: { S: 'Dear Ann' }, secrets: { L: [{ S: 'whsec_hush' }] } };
  const secret: Write = { ...owner, condition: { same: { is: 'text = :text', values: { ':text': 'Dear Bob' } } } };
  const put: Write = { put: { pk: 'a', sk: 'b', text: 'Dear Bob' } };
  const refusals = [
    await tableWith(cancelled(false, old)).table.tryTransact({ put, secret }),
    await tableWith(new ConditionalCheckFailedException({ ...of(), Item: old as never })).table.tryPut(
      { pk: 'a', sk: 'b', text: 'Dear Bob' },
      { condition: { same: { is: 'text = :text', values: { ':text': 'Dear Bob' } } } },
    ),
  ];
  const lines: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
  }
  for (const error of refusals) createLogger('test', 'info').error('a write failed', { error });
  vi.restoreAllMocks();
  expect(lines.join()).toContain('over secret (same did not hold)');
  for (const shown of [lines.join(), ...refusals.flatMap((one) => [JSON.stringify(one), inspect(one, { depth: 9 })])]) {
    expect(shown).not.toMatch(/Dear|whsec_hush/);
  }
});
