import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConnectionEvents } from '../../../lib/aws/accounts/connection-events.ts';
import { Table } from '../../../lib/aws/client/table.ts';
import type { Hold } from '../../../lib/aws/hosts/ownership.ts';
import { decodeEvents } from '../../../lib/domain/accounts/connection-events.ts';
import type { Message } from '../../../lib/domain/messages/message.ts';
import { SentMessages } from '../../../lib/sending/sent-messages.ts';
import { ConnectionEvents } from '../../../socket-host/connection/events.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';
import { type ManualClock, manualClock } from '../../harness/manual-clock.ts';
import { until } from '../../harness/until.ts';

const start = 1_800_000_000_000;
const minute = 60_000;

describe('the events of a connection', () => {
  let emulators: Emulators;
  let clock: ManualClock;
  let account = 0;
  let puts: number;
  let underWay = 0;
  let failing: boolean;
  let leased: boolean;
  let failures: string[];
  let sent: SentMessages;
  beforeAll(async () => {
    emulators = await startEmulators();
    emulators.clients.dynamodb.middlewareStack.add(
      (next, context) => async (args) => {
        if (failing) throw new Error('no answer');
        if (context.commandName === 'PutItemCommand') puts += 1;
        underWay += 1;
        return await next(args).finally(() => {
          underWay -= 1;
        });
      },
      { step: 'initialize', name: 'watch' },
    );
  });
  afterAll(() => emulators.stop());
  beforeEach(() => {
    clock = manualClock(start);
    account += 1;
    puts = 0;
    failing = false;
    leased = true;
    failures = [];
    sent = new SentMessages();
  });

  function owner(epoch: number): ConnectionEvents {
    const deps = {
      clock,
      sent,
      table: new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME),
      lease: { valid: () => leased },
      failed: (where: string) => failures.push(where),
    } as unknown as HostDeps;
    return new ConnectionEvents(deps, hold(epoch), start - 5_000);
  }
  const hold = (epoch: number): Hold => ({
    tenantId: 'ten_1',
    accountId: `acc_${account}`,
    hostId: `hst_${epoch}`,
    epoch,
  });
  const stored = async () => {
    const item = await readConnectionEvents(
      new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME),
      hold(0),
    );
    return item === undefined ? undefined : decodeEvents(item.events).map(({ kind, value }) => [kind, value]);
  };

  it('go from owner to owner, and when something was last sent or received with them', async () => {
    const first = owner(1);
    await first.load();
    first.add('opened');
    await clock.advance(1_000);
    first.sent(120);
    first.add('released');
    await first.save();
    const second = owner(2);
    await second.load();
    second.add('opened');
    expect(second.list()).toEqual([
      { at: start, kind: 'opened', value: 0 },
      { at: start + 1_000, kind: 'sent', value: 120 },
      { at: start + 1_000, kind: 'released', value: 0 },
      { at: start + 1_000, kind: 'opened', value: 0 },
    ]);
    expect(second.activeAtMs).toBe(start + 1_000);
  });

  it('are stored after an end of the connection, but once a minute at most', async () => {
    const events = owner(1);
    await events.load();
    events.closed(503);
    await events.save();
    events.closed(undefined);
    await clock.advance(minute - 1);
    events.closed(408);
    expect(await stored()).toEqual([['closed', 503]]);
    await clock.advance(1);
    events.closed(428);
    await events.save();
    expect(puts).toBe(2);
    expect(await stored()).toEqual([
      ['closed', 503],
      ['closed', 0],
      ['closed', 408],
      ['closed', 428],
    ]);
  });

  it('are stored every ten minutes while messages flow, and never because of checks', async () => {
    const events = owner(1);
    await events.load();
    for (let i = 0; i < 60; i++) {
      await clock.advance(30_000);
      events.add('check', 90);
    }
    expect(puts).toBe(0);
    for (let i = 0; i < 30; i++) {
      await clock.advance(minute);
      events.sent(100);
      // The store itself takes time of the machine, not of this clock.
      await new Promise((resolve) => setImmediate(resolve));
      await until('stored', async () => underWay === 0, 5_000, 1);
    }
    await events.save();
    expect(puts).toBe(4);
    await events.save();
    expect(puts).toBe(4);
  });

  it('are not overwritten by an owner whose claim is over, nor by one whose lease is', async () => {
    const [old, young] = [owner(3), owner(4)];
    await old.load();
    await young.load();
    young.add('opened');
    await young.save();
    old.add('check', 77);
    await old.save();
    expect(await stored()).toEqual([['opened', 0]]);
    leased = false;
    young.add('check', 50);
    await young.save();
    expect(await stored()).toEqual([['opened', 0]]);
    expect(failures).toEqual([]);
  });

  it('of before are not lost when they could not be read at first', async () => {
    const before = owner(1);
    await before.load();
    before.add('opened');
    await before.save();
    failing = true;
    const next = owner(2);
    await next.load();
    next.closed(500);
    await next.save();
    failing = false;
    expect(await stored()).toEqual([['opened', 0]]);
    await next.load();
    await next.save();
    expect(await stored()).toEqual([
      ['opened', 0],
      ['closed', 500],
    ]);
    expect(failures).toEqual(['connection events']);
  });

  it('hold how long a message took to its phone, once', async () => {
    const events = owner(1);
    const from = ['4915112345678'];
    const message = { id: 'msg_1', to: '4915112345678', state: 'SENT', sentAt: start } as Message;
    sent.put(message);
    await clock.advance(3_000);
    events.received({ messageId: 'msg_1', at: start + 1_000, from: ['4915187654321'] });
    events.received({ messageId: 'msg_1', at: start + 2_000, from });
    sent.put({ ...message, state: 'DELIVERED' });
    events.received({ messageId: 'msg_1', at: start + 2_500, from });
    events.received({ messageId: 'msg_unknown', at: start + 2_500, from });
    expect(events.list()).toEqual([{ at: start + 3_000, kind: 'delivered', value: 2_000 }]);
    expect(events.activeAtMs).toBe(start + 3_000);
  });
});
