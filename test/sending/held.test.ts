import { describe, expect, it } from 'vitest';
import type { Message } from '../../lib/domain/messages/message.ts';
import { Held, type HeldState, newClaim, totalsOf } from '../../lib/sending/held.ts';

const message = {
  id: 'msg_1',
  tenantId: 'ten_1',
  accountId: 'acc_1',
  source: 'contract',
  sourceId: 'con_1',
  contractId: 'con_1',
  row: 0,
  to: '79990000001',
  lane: 'bulk',
  state: 'SENDING',
  feedSeq: 1,
  attempts: 0,
  claim: { epoch: 1, nonce: 'n', since: 1, tries: 1 },
  createdAt: 1,
} as const satisfies Message;
const named = { messageId: 'msg_1', contractId: 'con_1', nonce: 'n' };
const held = (state: HeldState) => new Held(named, state);
const kept = (): HeldState => ({
  kind: 'kept',
  outcome: { message, to: 'SENT', change: { attempts: 1, sentAt: 5_000 }, nowMs: 5_000 },
  sinceMs: 100,
  writing: false,
  joined: [],
});
const receipt = { kind: 'delivered', at: 6_000, from: [message.to] } as const;

describe('a message in hand', () => {
  it('goes from its claim to the end of its outcome, and nowhere else', () => {
    const one = held({ kind: 'claiming', mayHaveLeft: false });
    expect(() => one.to({ kind: 'on_wire', hadLeft: false })).toThrow('cannot go from claiming to on_wire');
    one.to({ kind: 'claimed', mayHaveLeft: false });
    one.to({ kind: 'on_wire', hadLeft: false });
    expect([one.isOpen, one.mayHaveLeft]).toEqual([true, true]);
    expect(() => one.to({ kind: 'written', as: 'SENT' })).toThrow('cannot go from on_wire to written');
    one.to(kept());
    expect(one.isOpen).toBe(false);
    one.wrote('SENT', one.keptOutcome);
    one.leave();
    one.leave();
    expect(one.state).toEqual({ kind: 'gone' });
    expect(() => one.to(kept())).toThrow('cannot go from gone to kept');
  });

  it.each([
    [false, false, false],
    [false, true, true],
    [true, false, true],
  ])('that had left before: %s, and perhaps now: %s, may have arrived: %s', (hadLeft, left, expected) => {
    const one = held({ kind: 'on_wire', hadLeft });
    one.offWire(left);
    expect(one.state).toEqual({ kind: 'left_over', mayHaveLeft: expected, orphaned: false });
  });

  it('that its last owner died over has one crash more than the table counts', () => {
    const crashed = { ...message, claim: { ...message.claim, crashes: 1 } };
    expect(held({ kind: 'left_over', mayHaveLeft: true, orphaned: true }).crashesOver(crashed)).toBe(2);
    expect(held({ kind: 'left_over', mayHaveLeft: true, orphaned: false }).crashesOver(crashed)).toBe(1);
    expect(held({ kind: 'left_over', mayHaveLeft: true, orphaned: false }).crashesOver(message)).toBe(0);
  });
});

describe('a claim knows whether an earlier try may have arrived', () => {
  const { claim: _, ...queued } = { ...message, state: 'QUEUED' as const };
  const left = (mayHaveLeft: boolean) => [held({ kind: 'left_over', mayHaveLeft, orphaned: false })];

  it.each([
    ['queued for the first time', queued, [], false],
    ['laid aside without an answer', { ...queued, openSince: 1 }, [], true],
    ['in hand and never sent', message, left(false), false],
    ['in hand and sent', message, left(true), true],
    ['in hand of somebody else', message, [], true],
  ] as const)('%s', (_name, before, again, expected) => {
    expect(newClaim(before, 'n2', again).held.mayHaveLeft).toBe(expected);
  });
});

describe('an outcome that is kept', () => {
  it('is worth waiting a second for its first receipt, and no longer once that has come', () => {
    const one = held(kept());
    expect([one.holdMs(100), one.holdMs(1_099), one.holdMs(1_100)]).toEqual([1_000, 1, 0]);
    expect(one.ackedAt([message.to])).toBe(5_000);
    expect(one.ackedAt(['79990000002'])).toBeUndefined();
    void one.join([receipt]);
    expect(one.keptOutcome).toMatchObject({ to: 'DELIVERED', change: { sentAt: 5_000, deliveredAt: 6_000 } });
    expect([one.holdMs(100), one.ackedAt([message.to])]).toEqual([0, undefined]);
  });

  it('takes no receipt while it is written, and gives back those that were not in what was written', async () => {
    const one = held(kept());
    const before = one.keptOutcome;
    one.writing(true);
    expect(one.join([receipt])).toBeUndefined();
    one.writing(false);
    const joined = one.join([receipt]);
    one.wrote('SENT', before);
    expect(await joined).toBe(false);
  });

  it('tells its receipts that they stand with it, or that nobody writes them', async () => {
    const one = held(kept());
    const joined = one.join([receipt]);
    one.wrote('DELIVERED', one.keptOutcome);
    expect(await joined).toBe(true);
    const other = held(kept());
    const lost = other.join([receipt]);
    other.leave();
    expect(await lost).toBe(false);
  });
});

it('totals count what succeeded and what failed of the messages that leave the hand, and nothing else', () => {
  const written = (as: Message['state'] | undefined) => held({ kind: 'written', as });
  const left = held({ kind: 'left_over', mayHaveLeft: true, orphaned: false });
  const all = [written('SENT'), written('READ'), written('FAILED'), written('PENDING'), written(undefined), left];
  expect(totalsOf([...all, held(kept())])).toEqual({ messages: 3, errors: 1 });
});
