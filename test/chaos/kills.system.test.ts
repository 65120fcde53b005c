import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers, reached, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

const messages = 200;
const killAt = 60;

/** Each kind of death, in the middle of a contract; then a second contract to the same phones, which a rolled-back ratchet would lose. */
describe('death in the middle of a contract', () => {
  let world: World;
  let accountId: string;
  beforeAll(async () => {
    world = await startWorld();
    accountId = await world.linked('12025550199');
  });
  afterAll(() => world?.stop());

  const deaths: [string, () => Promise<void>][] = [
    ['the host is killed', async () => world.stack.kill('host-1')],
    [
      'every function is killed',
      async () => {
        for (const { name } of world.stack.functions) world.stack.kill(name);
      },
    ],
    ['everything is stopped and started again', () => world.restart()],
  ];

  it.each(deaths)(
    'loses nothing and repeats nothing when %s',
    async (name, die) => {
      const recipients = numbers(messages).map((phoneNumber) => ({ phoneNumber, message: `While ${name}` }));
      const contract = await world.contract(accountId, recipients);
      await until('the moment', async () => reached(await world.read(contract.id)) >= killAt);
      await die();
      const ended = await world.ended(contract.id);
      expect(ended).toMatchObject({ status: 'COMPLETED', totalCount: messages, counts: { failed: 0 } });
      await expectEachOnce(`While ${name}`);
      const second = await world.contract(
        accountId,
        recipients.map((recipient) => ({ ...recipient, message: `After ${name}` })),
      );
      await world.ended(second.id);
      await expectEachOnce(`After ${name}`);
      expect(await world.totals()).toMatchObject({ usedCounters: 0, undecryptable: 0 });
    },
    200_000,
  );

  async function expectEachOnce(text: string): Promise<void> {
    const counts = await Promise.all(
      numbers(messages).map(async (number) => (await world.received(number)).filter((m) => m.text === text).length),
    );
    expect(counts).toEqual(Array(messages).fill(1));
  }
});
