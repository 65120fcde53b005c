import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountStatuses } from '../../../lib/domain/accounts/account.ts';
import { eventsOf, type Image } from '../../../lib/domain/events/events.ts';
import { canMove, type MessageState, messageStates } from '../../../lib/domain/messages/message.ts';
import { accountId, contractId, messageImage, tenantId } from '../../factories.ts';

const base = { tenantId, accountId, contractId };
const startMs = Date.UTC(2026, 10, 20, 12);

const message = (state: MessageState, feedSeq: number, attempts: number): Image => ({
  ...messageImage(state, { feedSeq, attempts, createdAt: startMs }),
  type: 'message',
});

/** A life of a message by legal moves, as choices among those open at each step; with changes that are none in between. */
const choices = fc.array(fc.record({ pick: fc.nat(), gapMs: fc.nat(30_000), idle: fc.boolean() }), { maxLength: 30 });

interface Step {
  before: Image | undefined;
  after: Image;
  at: number;
  version: string;
  state: MessageState;
}

function lifeOf(picks: { pick: number; gapMs: number; idle: boolean }[]): Step[] {
  let image = message('QUEUED', 1, 0);
  let at = startMs;
  const steps: Step[] = [{ before: undefined, after: image, at, version: '0', state: 'QUEUED' }];
  for (const [index, { pick, gapMs, idle }] of picks.entries()) {
    const from = image.state as MessageState;
    const open = messageStates.filter((to) => canMove(from, to));
    const to = idle ? from : open[pick % open.length];
    if (to === undefined) break;
    at += gapMs;
    const feedSeq = Number(image.feedSeq) + (to === 'QUEUED' && !idle ? 1 : 0);
    const attempts = Number(image.attempts) + (from === 'SENDING' && !idle ? 1 : 0);
    const after = message(to, feedSeq, attempts);
    steps.push({ before: image, after, at, version: String(index + 1), state: to });
    image = after;
  }
  return steps;
}

const drafts = (steps: Step[]) =>
  steps.flatMap(({ before, after, at, version }) => eventsOf(before, after, { at, version }));

describe('the life of a message', () => {
  it('gives each event one id, and the same ones when it is replayed', () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const steps = lifeOf(picks);
        const own = drafts(steps).filter(({ type }) => type !== 'contract.progress');
        expect(new Set(own.map(({ id }) => id)).size).toBe(own.length);
        expect(drafts(steps)).toEqual(drafts(steps));
        for (const { id } of own) expect(id).toMatch(/^evt_[0-9A-HJKMNP-TV-Z]{26}$/);
      }),
    );
  });

  it('publishes sent, delivered and read at most once, in this order, up to the step it reached', () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const steps = lifeOf(picks);
        const way = ['message.sent', 'message.delivered', 'message.read'];
        const published = drafts(steps).flatMap(({ type }) => (way.includes(type) ? [type] : []));
        const reached = { SENT: 1, DELIVERED: 2, READ: 3 } as Partial<Record<MessageState, number>>;
        expect(published).toEqual(way.slice(0, Math.max(...steps.map(({ state }) => reached[state] ?? 0))));
      }),
    );
  });

  it('publishes nothing where the state stays, and something of every state that has an event', () => {
    fc.assert(
      fc.property(choices, (picks) => {
        for (const { before, after, at, version } of lifeOf(picks)) {
          const published = eventsOf(before, after, { at, version }).filter(({ type }) => type !== 'contract.progress');
          const silent = before?.state === after.state || ['PENDING', 'SENDING'].includes(String(after.state));
          expect(published.length === 0).toBe(silent);
        }
      }),
    );
  });

  it('drafts progress only when it ends, and never two ids within half a minute of the clock', () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const progress = drafts(lifeOf(picks)).filter(({ type }) => type === 'contract.progress');
        const byTime = new Map(progress.map(({ id, at }) => [at, id]));
        expect(new Set(progress.map(({ id }) => id)).size).toBe(byTime.size);
        for (const { at } of progress) expect(at % 30_000).toBe(0);
      }),
    );
  });
});

describe('the life of an account', () => {
  it('publishes connected and its end alternately', () => {
    const statuses = fc.array(fc.constantFrom(...accountStatuses), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(statuses, (list) => {
        const image = (status: string): Image => ({
          ...base,
          type: 'account',
          id: base.accountId,
          status,
          statusSince: startMs,
          createdAt: startMs,
        });
        let before = image('created');
        let up = false;
        for (const [index, status] of list.entries()) {
          const after = image(status);
          const published = eventsOf(before, after, { at: startMs, version: String(index) }).map(({ type }) => type);
          expect(published.length).toBeLessThanOrEqual(1);
          if (status === 'connected') expect(published).toEqual(up ? [] : ['account.connected']);
          else if (up) expect(published).not.toEqual([]);
          up = status === 'connected';
          before = after;
        }
      }),
    );
  });
});
