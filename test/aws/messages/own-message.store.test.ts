import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentWrite } from '../../../lib/aws/messages/contents.ts';
import { isRunning, messageItem, readForSend, readMessage } from '../../../lib/aws/messages/messages.ts';
import { textContent } from '../../../lib/domain/content.ts';
import type { Message, MessageSource } from '../../../lib/domain/messages/message.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../../feed/feed-world.ts';
import { moveMessage } from '../../harness/move-message.ts';

/** No such message is made yet: its stored form, and what a host does with it, are ready. */
describe.each(['single', 'trigger', 'reminder'] as const)('a message of source %s', (source) => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  const put = async (accountId: string, from: Exclude<MessageSource, 'contract'>): Promise<Message> => {
    const id = `msg_${randomBytes(9).toString('hex').toUpperCase()}`;
    const nowMs = world.deps.nowMs();
    const message: Message = {
      ...{ id, tenantId, accountId, source: from, sourceId: id, to: '79991000001', lane: 'bulk', state: 'QUEUED' },
      ...{ feedSeq: 1, attempts: 0, createdAt: nowMs },
    };
    await world.table.transact({
      writes: [{ put: messageItem(message) }, contentWrite(tenantId, id, textContent('Hello'), nowMs)],
    });
    return message;
  };

  it('always runs, is claimed and ends without a contract', async () => {
    const account = await world.account();
    const message = await put(account.id, source);
    const [read] = await readForSend(world.table, [{ t: tenantId, a: account.id, m: message.id }]);
    expect(read).toEqual({ message, content: { type: 'text', text: 'Hello' }, contract: undefined, running: true });
    expect(await isRunning(world.table, message)).toBe(true);
    const claimed = await world.claim(account, message);
    expect((await world.hot(account))?.inHand).toEqual({ messageId: message.id, nonce: claimed.claim?.nonce });
    await moveMessage(world.table, claimed, 'SENT', world.deps.nowMs(), { attempts: 1 });
    expect(await readMessage(world.table, tenantId, message.id)).toMatchObject({ source, state: 'SENT' });
  });

  it('goes back to PENDING without an entry in the backlog of a contract', async () => {
    const account = await world.account();
    const moved = await moveMessage(world.table, await put(account.id, source), 'PENDING', world.deps.nowMs());
    expect(moved).toMatchObject({ source, state: 'PENDING', notBefore: 0 });
  });
});
