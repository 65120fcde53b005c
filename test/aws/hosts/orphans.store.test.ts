import { afterAll, beforeAll, expect, it } from 'vitest';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../../lib/aws/keys.ts';
import type { AccountHot } from '../../../lib/domain/accounts/account.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';

let emulators: Emulators;
let afterRead: (() => Promise<void>) | undefined;
beforeAll(async () => {
  emulators = await startEmulators();
  emulators.clients.dynamodb.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      if (context.commandName === 'GetItemCommand') await afterRead?.();
      return answer;
    },
    { step: 'initialize', name: 'after read' },
  );
});
afterAll(() => emulators.stop());

it('a host that ends in good order leaves all its accounts, also one whose message comes to its end at that moment', async () => {
  const { table } = emulators.deps;
  const inHand = { messageId: 'msg_1', contractId: 'con_1', nonce: 'n' };
  const notInHand = keys.accountHot('ten', 'acc_1');
  const hot = (accountId: string, more: object) =>
    table.put({
      ...keys.accountHot('ten', accountId),
      ...{ type: 'accountHot', tenantId: 'ten', accountId, owner: 'hst_1', epoch: 3 },
      ...{ ix: finder.ownedBy('hst_1'), ixs: `ten#${accountId}` },
      ...more,
    });
  await hot('acc_1', { inHand });
  await hot('acc_2', { inHand });
  await hot('acc_3', {});
  afterRead = async () => {
    afterRead = undefined;
    await table.update(notInHand, { update: 'REMOVE inHand' });
  };
  expect(await orphanAccounts(table, 'hst_1', { orderly: true })).toBe(3);
  afterRead = undefined;
  const left = await table.getMany<AccountHot & { ix: string }>(
    ['acc_1', 'acc_2', 'acc_3'].map((id) => keys.accountHot('ten', id)),
  );
  expect(left.map((one) => [one?.owner, one?.epoch, one?.ix])).toEqual(Array(3).fill([undefined, 4, finder.unowned]));
  expect(left[1]?.inHand).toEqual({ ...inHand, released: true });
  expect(left[2]?.inHand).toBeUndefined();
});
