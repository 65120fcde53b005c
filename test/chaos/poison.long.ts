import { afterAll, beforeAll, expect, it } from 'vitest';
import { findAccounts } from '../../lib/aws/hosts/ownership.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { type Call, type FaultProxies, startFaultProxies } from '../harness/fault-proxy.ts';
import { type ContractView, numbers, startWorld, type World } from '../harness/local-stack.ts';
import { productTable } from '../harness/product-table.ts';
import { until } from '../harness/until.ts';

/** Every half second one, so that hosts die amid its work as well. */
const bystanderPace = { perMinute: null, gapMs: [500, 700], restEvery: null, dayCap: null, delayMs: [0, 0] };

let proxies: FaultProxies;
let world: World;
let product: Awaited<ReturnType<typeof productTable>>;

beforeAll(async () => {
  proxies = await startFaultProxies({ log: true });
  let endpoints: Endpoints | undefined;
  world = await startWorld({
    hosts: 2,
    quiet: true,
    env: proxies.env,
    onEndpoints(found) {
      endpoints = found;
      proxies.setTargets(found);
    },
  });
  if (endpoints === undefined) throw new Error('The stack has not said where its emulators are.');
  product = await productTable(endpoints);
});

afterAll(async () => {
  await world?.stop();
  product?.close();
  await proxies?.close();
});

it('a message that ends the process of each host that is about to send it is FAILED after three, and all others arrive once', async () => {
  const accountId = await world.linked('12135550141');
  const bystanderId = await world.linked('12135550142', { pacing: bystanderPace });
  const [phone = '', ...others] = numbers(21);
  const rows = [phone, phone, ...others].map((phoneNumber, row) => ({ phoneNumber, message: `row ${row}` }));
  const contract = await world.contract(accountId, rows, { start: false });
  const listed = await world.api<{ items: { id: string }[] }>(
    'GET',
    `/v1/messages?contractId=${contract.id}&limit=100`,
  );
  const poison = listed.items.at(-1)?.id ?? '';
  // The claim stands, and its host does not live to hear of it: nothing of the message has gone out.
  const claims = proxies.dynamodb.rule(
    ({ operation, body }: Call) =>
      operation === 'TransactWriteItems' &&
      body.includes(poison) &&
      body.includes('"SENDING"') &&
      !body.includes('"FAILED"'),
    { kind: 'hold', at: 'after' },
    4,
  );
  const bystander = await world.contract(
    bystanderId,
    numbers(60).map((phoneNumber, row) => ({ phoneNumber, message: `bystander ${row}` })),
  );
  await world.api('POST', `/v1/contracts/${contract.id}/start`);

  for (let death = 1; death <= 3; death++) {
    await until(`claim ${death}`, async () => heldClaims() === death, 40_000, 10);
    process.kill(await ownerPid(accountId), 'SIGKILL');
  }

  const ended = await world.ended(contract.id, 60_000);
  expect(ended).toMatchObject({ status: 'COMPLETED', counts: { failed: 1 } });
  expect(claims.count).toBe(3);
  claims.release();
  const { items } = await world.api<{ items: { id: string; status: string; error: { code: string } | null }[] }>(
    'GET',
    `/v1/messages?contractId=${contract.id}&status=FAILED`,
  );
  expect(items).toMatchObject([{ id: poison, status: 'FAILED', error: { code: 'CRASHED_HOST' } }]);
  expect(await texts(phone, 'row')).toEqual(['row 1']);
  for (const [at, other] of others.entries()) expect(await texts(other, 'row')).toEqual([`row ${at + 2}`]);

  expect(await world.ended(bystander.id, 60_000)).toMatchObject<Partial<ContractView>>({ status: 'COMPLETED' });
  for (const [at, other] of numbers(60).entries()) expect(await texts(other, 'bystander')).toEqual([`bystander ${at}`]);
  expect(await world.totals()).toMatchObject({ distinct: 81, usedCounters: 0, undecryptable: 0 });
}, 180_000);

function heldClaims(): number {
  return proxies.log().filter(({ fault, status }) => fault === 'hold' && status === 200).length;
}

async function ownerPid(accountId: string): Promise<number> {
  for (const { id, pid } of world.stack.hosts) {
    const owned = await findAccounts(product.table, `host#${id}`);
    if (owned.some((refs) => refs.accountId === accountId)) return pid;
  }
  throw new Error(`No host owns ${accountId}.`);
}

async function texts(phone: string, beginning: string): Promise<string[]> {
  const received = await world.received(phone);
  return received.map(({ text }) => text).filter((text) => text.startsWith(beginning));
}
