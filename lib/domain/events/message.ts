import { isFinal, type Message, type MessageState, messageStates } from '../messages/message.ts';
import { messageView } from '../messages/view.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText } from './draft.ts';
import type { EventType } from './types.ts';

/** A contract's progress is told at most once in each of these (docs/architecture.md, Events). */
export const progressEveryMs = 30_000;

/** The way of a message that WhatsApp has taken, in order. */
const steps = ['message.sent', 'message.delivered', 'message.read'] as const;
const stepsDone: Partial<Record<MessageState, number>> = { SENT: 1, DELIVERED: 2, READ: 3 };

const entered: Partial<Record<MessageState, EventType>> = {
  QUEUED: 'message.queued',
  FAILED: 'message.failed',
  CANCELED: 'message.canceled',
  SUPPRESSED: 'message.suppressed',
  EXPIRED: 'message.expired',
};

/**
 * Pure: a step that was skipped is told with the one that came, one that was passed is never told again, whatever wrote it. QUEUED and FAILED
 * can come again.
 */
export function messageEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  const message = after as unknown as Message;
  const { id, tenantId, accountId, contractId, to, state } = message;
  for (const text of [id, tenantId, accountId, contractId, to]) mustBeText(text);
  if (!messageStates.includes(state)) throw new TypeError('the image of a message has no known state');
  const was = before?.state as MessageState | undefined;
  if (was === state) return [];
  const data = { message: messageView(message, undefined) };
  // Clocks differ by milliseconds, receipts tell whole seconds: no step comes before the one it follows.
  const [queuedAt = message.createdAt, ...stepsAt] = [
    message.queuedAt,
    message.sentAt,
    message.deliveredAt,
    message.readAt,
  ];
  const timeUpTo = (step: number) => Math.max(queuedAt, ...stepsAt.slice(0, step + 1).map((at) => at ?? 0));
  const draft = (type: EventType, version: string, ownMs: number, rank: number): EventDraft => ({
    ...draftOf(record, { type, tenantId, of: id, version, about: { kind: 'data', data }, ownMs, rank }),
    accountId,
    chat: to,
    content: id,
  });
  const drafts: EventDraft[] = [];
  const type = entered[state];
  if (type !== undefined) {
    drafts.push(draft(type, record.version, queuedAt, state === 'QUEUED' ? 0 : 1));
  }
  for (let step = stepsOf(was); step < stepsOf(state); step++) {
    const name = steps[step];
    if (name !== undefined) drafts.push(draft(name, '', timeUpTo(step), step + 1));
  }
  if (was !== undefined && !isFinal(was) && isFinal(state)) drafts.push(progress(message, record));
  return drafts;
}

const stepsOf = (state: MessageState | undefined): number => (state === undefined ? 0 : (stepsDone[state] ?? 0));

/**
 * A contract's progress is seen by its messages that end, not by its counter, which every receipt changes too. All that end within the same
 * half a minute make one id; its time is the beginning of that.
 */
function progress({ tenantId, accountId, contractId }: Message, record: ChangeRecord): EventDraft {
  const beganAt = Math.floor(record.at / progressEveryMs) * progressEveryMs;
  const draft = draftOf(
    { ...record, at: beganAt },
    {
      type: 'contract.progress',
      tenantId,
      of: contractId,
      version: String(beganAt),
      about: { kind: 'contract', contractId },
    },
  );
  return { ...draft, accountId };
}
