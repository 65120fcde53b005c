import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moveContract } from '../../lib/aws/contracts/contracts.ts';
import { keys } from '../../lib/aws/keys.ts';
import { textContent, textOf } from '../../lib/domain/content.ts';
import { rowMessageId } from '../../lib/domain/contracts/row-message.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { rowsTo } from '../factories.ts';
import { type Gateway, oneAtATime, startGateway, tenantId } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

describe('sending a contract', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway(systemClock);
    await gateway.host();
  });
  afterAll(() => gateway.stop());
  beforeEach(() => {
    gateway.wire.length = 0;
    gateway.answerWith(() => ({}));
    gateway.chats.clear();
  });

  const completed = async (id: string) => (await gateway.readContract(id))?.status === 'COMPLETED';

  it('sends each row once, in order, and completes', async () => {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(120));
    await until('completed', () => completed(contract.id));
    expect(gateway.wire.map((message) => message.text)).toEqual(rowsTo(120).map((row) => textOf(row.content)));
    const messages = await gateway.messages(contract);
    expect(messages.map((message) => message.state)).toEqual(Array(120).fill('SENT'));
    expect(messages.map((message) => message.attempts)).toEqual(Array(120).fill(1));
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 120);
    expect(await gateway.readHot(account.id)).toMatchObject({ queuedBulk: 0, queuedExpress: 0, errorCount: 0 });
  });

  it('sends a message whose text ended while it waited in its lane, from its page', async () => {
    const account = await gateway.account({
      ...oneAtATime,
      pacing: { ...oneAtATime.pacing, gapMs: [30, 30], restEvery: null },
    });
    const contract = await gateway.contract(account, rowsTo(30));
    const late = keys.text(tenantId, rowMessageId(contract, 29));
    await until('fed', async () => (await gateway.deps.table.get(late)) !== undefined, 20_000, 5);
    await gateway.deps.table.delete(late);
    await until('completed', () => completed(contract.id));
    const sent = gateway.wire.filter(({ account: by }) => by === account.id).map(({ text }) => text);
    expect(sent).toEqual(rowsTo(30).map(({ content }) => textOf(content)));
    const [first] = await gateway.messages(contract);
    // 90 days from its last move, in hours.
    expect(Math.round(((first?.ttl ?? 0) - Date.now() / 1000) / 3600)).toBe(2160);
  });

  it('fails numbers that are not on WhatsApp with no attempt', async () => {
    const account = await gateway.account();
    const rows = [...rowsTo(2, 500), { to: '79991230000', content: textContent('Nobody') }];
    const contract = await gateway.contract(account, rows);
    await until('completed', () => completed(contract.id));
    const [, , nobody] = await gateway.messages(contract);
    expect(nobody).toMatchObject({ state: 'FAILED', attempts: 0, error: { code: 'NOT_ON_WHATSAPP' } });
    expect(gateway.wire).toHaveLength(2);
  });

  it('retries an error ack twice, then fails with its attempts', async () => {
    const account = await gateway.account();
    gateway.answerWith(() => ({ code: 500 }));
    const contract = await gateway.contract(account, rowsTo(1, 600));
    await until('failed', async () => (await gateway.readContract(contract.id))?.status === 'FAILED');
    const [message] = await gateway.messages(contract);
    expect(message).toMatchObject({ state: 'FAILED', attempts: 3, error: { code: 'REJECTED' } });
    expect(gateway.wire.map((sent) => sent.id)).toEqual(Array(3).fill(message?.id));
  });

  it('sends one first contact that is refused with 463, holds the others until the time WhatsApp names, and writes to everybody else', async () => {
    const account = await gateway.account();
    const rows = rowsTo(32, 5000);
    const known = rows.slice(30).map(({ to }) => to);
    for (const to of known) gateway.chats.add(to);
    const untilMs = Date.now() + 4_000;
    gateway.firstContactsWith(() => untilMs);
    gateway.answerWith(({ to }) => (gateway.chats.has(to) ? {} : { code: 463 }));
    const contract = await gateway.contract(account, rows);
    await until('the known are written to', async () => gateway.wire.length === 3);
    await until('held', async () => {
      const states = (await gateway.messages(contract)).map(({ state }) => state);
      return states.filter((state) => state === 'PENDING').length === 29;
    });
    expect(gateway.wire.map(({ to }) => to)).toEqual([rows[0]?.to, ...known]);
    const messages = await gateway.messages(contract);
    expect(messages[0]).toMatchObject({ state: 'FAILED', attempts: 1, error: { code: 'REACHOUT_RESTRICTED' } });
    expect(messages[1]).toMatchObject({ state: 'PENDING', attempts: 0, notBefore: untilMs });
    expect(await gateway.readAccount(account.id)).toMatchObject({
      status: 'connected',
      firstContactsHeldUntil: untilMs,
      warnings: [
        `WhatsApp refuses messages of this account to people it has no chat with (463): such messages wait until ${new Date(untilMs).toISOString()} and are tried again then; all others are sent.`,
      ],
    });
    gateway.answerWith(() => ({}));
    await until('completed', () => completed(contract.id));
    expect(Math.min(...gateway.wire.slice(3).map(({ at }) => at))).toBeGreaterThanOrEqual(untilMs);
    expect(gateway.wire.map(({ to }) => to).toSorted()).toEqual(rows.map(({ to }) => to).toSorted());
    const now = await gateway.readAccount(account.id);
    expect(now?.warnings).toEqual([]);
    expect(now).not.toHaveProperty('firstContactsHeldUntil');
  });

  it('holds first contacts that an owner before was refused, and sends them when WhatsApp takes them again', async () => {
    const account = await gateway.account({ firstContactsHeldUntil: Date.now() + 2_000 });
    const contract = await gateway.contract(account, rowsTo(3, 5100));
    await until(
      'held',
      async () => (await gateway.messages(contract)).filter(({ state }) => state === 'PENDING').length === 3,
    );
    expect(gateway.wire).toEqual([]);
    await until('completed', () => completed(contract.id));
    const another = await gateway.account({ firstContactsHeldUntil: Date.now() + 7_200_000 });
    const session = await until('connected', async () => {
      const { status } = (await gateway.readAccount(another.id)) ?? {};
      return status === 'connected' ? gateway.sessions.get(another.id) : undefined;
    });
    const next = await gateway.contract(another, rowsTo(2, 5200));
    await until(
      'held',
      async () => (await gateway.messages(next)).filter(({ state }) => state === 'PENDING').length === 2,
    );
    session.listener.onFirstContacts(undefined);
    await until('completed', () => completed(next.id));
    expect(await gateway.readAccount(another.id)).not.toHaveProperty('firstContactsHeldUntil');
    session.listener.onFirstContacts(Date.now() + 3_600_000);
    await until('held', async () => (await gateway.readAccount(another.id))?.firstContactsHeldUntil !== undefined);
  });

  it('sends at most the message in hand after a pause, and goes on at once', async () => {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(200, 1000));
    await until('some are sent', async () => gateway.wire.length > 20);
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'pause');
    const sentAtPause = gateway.wire.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(gateway.wire.length).toBeLessThanOrEqual(sentAtPause + 1);
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'start');
    await until('completed', () => completed(contract.id), 20_000);
    expect(new Set(gateway.wire.map((message) => message.id)).size).toBe(200);
    expect(gateway.wire).toHaveLength(200);
  });

  it('cancels what is not sent', async () => {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(300, 2000));
    await until('some are sent', async () => gateway.wire.length > 10);
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'cancel');
    await until('lanes are empty', async () => (await gateway.readHot(account.id))?.queuedBulk === 0);
    const sent = gateway.wire.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(gateway.wire.length).toBeLessThanOrEqual(sent + 1);
    const states = new Set((await gateway.messages(contract)).map((message) => message.state));
    expect([...states].sort()).toEqual(['CANCELED', 'SENT']);
  });

  it('sends the same id again on a new connection when the line breaks before the wire', async () => {
    const account = await gateway.account();
    let broken = 0;
    gateway.answerWith(({ to }) => (to.endsWith('7') && broken++ < 1 ? 'not_sent' : {}));
    const contract = await gateway.contract(account, rowsTo(20, 3000));
    await until('completed', () => completed(contract.id));
    expect(broken).toBeGreaterThan(1);
    expect(new Set(gateway.wire.map((message) => message.id)).size).toBe(20);
    expect((await gateway.messages(contract)).map((message) => message.state)).toEqual(Array(20).fill('SENT'));
  });

  it('sends several messages to one number one after the other, without waiting for the lane', async () => {
    const account = await gateway.account();
    const rows = ['One', 'Two', 'Three', 'Four'].map((text) => ({ to: '79995550001', content: textContent(text) }));
    const startedAt = Date.now();
    const contract = await gateway.contract(account, rows);
    await until('completed', () => completed(contract.id));
    expect(gateway.wire.map(({ text }) => text)).toEqual(['One', 'Two', 'Three', 'Four']);
    expect(Date.now() - startedAt).toBeLessThan(10_000);
  });

  it('never shows a message as delivered before it was sent', async () => {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(1, 7000));
    await until('completed', () => completed(contract.id));
    const [sent] = await gateway.messages(contract);
    const { listener } = gateway.sessions.get(account.id) ?? {};
    const at = Math.floor((sent?.sentAt ?? 0) / 1000) * 1000;
    const from = ['79991007001'];
    listener?.onReceipt({ messageId: sent?.id ?? '', kind: 'delivered', at, from });
    listener?.onReceipt({ messageId: sent?.id ?? '', kind: 'read', at, from });
    await until('read', async () => (await gateway.messages(contract))[0]?.state === 'READ');
    const [read] = await gateway.messages(contract);
    expect(read?.deliveredAt).toBe(sent?.sentAt);
    expect(read?.readAt).toBe(sent?.sentAt);
    listener?.onReceipt({ messageId: sent?.id ?? '', kind: 'delivered', at: at + 60_000, from });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await gateway.messages(contract))[0]).toEqual(read);
  });

  it('takes express before bulk', async () => {
    const account = await gateway.account();
    const bulk = await gateway.contract(account, rowsTo(300, 4000));
    await until('some are sent', async () => gateway.wire.length > 5);
    const express = await gateway.contract(account, rowsTo(3, 5000), { lane: 'express' });
    await until('completed', () => completed(express.id));
    expect(gateway.wire.length).toBeLessThan(290);
    await until('completed', () => completed(bulk.id));
  });
});
