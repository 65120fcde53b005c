import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLanes, type LaneEntry } from '../../../lib/aws/accounts/lanes.ts';
import { createClients, destroyClients, onCall } from '../../../lib/aws/client/clients.ts';
import type { Lane } from '../../../lib/domain/messages/message.ts';
import { LaneReader } from '../../../socket-host/loop/lane-reader.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';
import { type ManualClock, manualClock } from '../../harness/manual-clock.ts';

describe("the reader of an account's lanes", () => {
  let emulators: Emulators;
  let clients: ReturnType<typeof createClients>;
  let clock: ManualClock;
  let reader: LaneReader;
  let urls: Record<Lane, string>;
  let calls: string[] = [];
  let account = 0;
  const signal = new AbortController().signal;
  beforeAll(async () => {
    emulators = await startEmulators();
    clients = createClients();
    onCall(clients, (_service, command) => calls.push(command));
  });
  afterAll(async () => {
    destroyClients(clients);
    await emulators.stop();
  });
  beforeEach(async () => {
    const { LANE_PREFIX: lanePrefix, LANE_DLQ_ARN: dlqArn } = emulators.config;
    urls = await createLanes(emulators.clients.sqs, { lanePrefix, dlqArn }, `reader${account++}`);
    clock = manualClock();
    reader = new LaneReader(clients.sqs, urls, clock);
    calls = [];
  });

  async function put(lane: Lane, name: string, group = name): Promise<void> {
    const entry: LaneEntry = { t: 'ten', a: 'acc', m: name, c: 'con', seq: 1 };
    const of = { MessageGroupId: group, MessageDeduplicationId: name };
    await emulators.clients.sqs.send(
      new SendMessageCommand({ QueueUrl: urls[lane], MessageBody: JSON.stringify(entry), ...of }),
    );
  }
  const take = async (counts: Record<Lane, number>, max = 10) => {
    const taken = await reader.take(counts, { max, waitSec: 0, signal });
    if (taken === undefined) throw new Error('nothing was taken');
    return taken;
  };

  it('deletes what is done ten at a time', async () => {
    for (let at = 0; at < 10; at++) await put('bulk', `m${at}`);
    for (let at = 0; at < 10; at++) await reader.finish(await take({ express: 0, bulk: 10 - at }));
    expect(calls).toEqual(['ReceiveMessage', 'DeleteMessageBatch']);
  });

  it('deletes fewer before they would show again', async () => {
    for (const name of ['a', 'b', 'c']) await put('bulk', name);
    const first = await take({ express: 0, bulk: 3 });
    await reader.finish(first);
    await reader.flushBefore(19_000);
    expect(calls).toEqual(['ReceiveMessage']);
    await clock.advance(10_000);
    await reader.flushBefore(9_000);
    expect(calls).toEqual(['ReceiveMessage']);
    await reader.flushBefore(10_000);
    expect(calls).toEqual(['ReceiveMessage', 'DeleteMessageBatch']);
  });

  it('glances for a next entry without deleting, and finds none of whom an entry is not deleted', async () => {
    await put('bulk', 'one', 'same person');
    await put('bulk', 'two', 'same person');
    await reader.finish(await take({ express: 0, bulk: 2 }));
    expect(await reader.glance({ express: 0, bulk: 1 }, 10)).toBe(false);
    expect(calls).toEqual(['ReceiveMessage', 'ReceiveMessage']);
    // Taking deletes what hides it.
    expect((await take({ express: 0, bulk: 1 })).entry.m).toBe('two');
    await put('bulk', 'three');
    expect(await reader.glance({ express: 0, bulk: 1 }, 10)).toBe(true);
    expect((await take({ express: 0, bulk: 1 })).entry.m).toBe('three');
  });

  it('asks for nothing where the table counts nothing', async () => {
    expect(await reader.glance({ express: 0, bulk: 0 }, 10)).toBe(false);
    expect(calls).toEqual([]);
  });

  it('gives out what came express before what was taken ahead from bulk', async () => {
    for (const name of ['b1', 'b2', 'b3']) await put('bulk', name);
    expect((await take({ express: 0, bulk: 3 }, 3)).entry.m).toBe('b1');
    await put('express', 'e1');
    expect((await take({ express: 1, bulk: 2 }, 3)).entry.m).toBe('e1');
    expect((await take({ express: 0, bulk: 2 }, 3)).entry.m).toBe('b2');
  });

  it('is not silent where a glance has found what is waited for', async () => {
    await put('bulk', 'b1');
    await put('bulk', 'b2');
    // The table counts an express entry that the lane does not show yet.
    expect((await take({ express: 1, bulk: 2 }, 1)).entry.m).toBe('b1');
    await put('express', 'e1');
    expect(await reader.glance({ express: 1, bulk: 1 }, 1)).toBe(true);
    expect((await take({ express: 1, bulk: 1 }, 1)).entry.m).toBe('e1');
    await clock.advance(50_000);
    expect(reader.silenceMs()).toBe(0);
  });

  it('has no next entry once what it holds may be on its way again', async () => {
    for (const name of ['a', 'b']) await put('bulk', name);
    await take({ express: 0, bulk: 2 });
    await clock.advance(24_999);
    expect(reader.hasNext).toBe(true);
    await clock.advance(1);
    expect(reader.hasNext).toBe(false);
  });
});
