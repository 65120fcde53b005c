import type { EventType } from '../event-types.ts';
import {
  type ContractMessage,
  isFinal,
  type MessageState,
  messageStates,
  ofContract,
  readStoredMessage,
  type StoredMessage,
} from '../messages/message.ts';
import { messageView } from '../messages/view.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText } from './draft.ts';

/** Progress of a contract is published at most once in each of these periods (docs/events.md). */
export const progressEveryMs = 30_000;

/** The event of each state that has one. A claim, and a return to PENDING, give no event. */
const stateEvents = {
  QUEUED: 'message.queued',
  SENT: 'message.sent',
  DELIVERED: 'message.delivered',
  READ: 'message.read',
  FAILED: 'message.failed',
  CANCELED: 'message.canceled',
  SUPPRESSED: 'message.suppressed',
  EXPIRED: 'message.expired',
} as const satisfies Partial<Record<MessageState, EventType>>;
type PublishedState = keyof typeof stateEvents;

/** The states of a message that have an event. */
export const publishedStates = Object.keys(stateEvents) as PublishedState[];

/** The states after WhatsApp has accepted a message, in order. */
const steps: readonly PublishedState[] = ['SENT', 'DELIVERED', 'READ'];

/**
 * Pure: returns the events of a change of a message. A step that was skipped is published with the step that came. A step that was passed is
 * never published again. QUEUED and FAILED can come again.
 */
export function messageEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  const message = imageOf(after);
  const { id, tenantId, accountId, contractId, to, state } = message;
  for (const text of [id, tenantId, accountId, contractId, to]) mustBeText(text);
  if (!messageStates.includes(state)) throw new TypeError('the image of a message has no known state');
  const was = before?.state as MessageState | undefined;
  if (was === state) return [];
  const data = { message: messageView(message, undefined) };
  // Clocks differ by milliseconds and receipts have whole seconds. No step may come before the one it follows.
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
  if (isPublished(state) && stepsOf(state) === 0) {
    drafts.push(draft(stateEvents[state], record.version, queuedAt, state === 'QUEUED' ? 0 : 1));
  }
  for (let step = stepsOf(was); step < stepsOf(state); step++) {
    const taken = steps[step];
    if (taken !== undefined) drafts.push(draft(stateEvents[taken], '', timeUpTo(step), step + 1));
  }
  if (was !== undefined && !isFinal(was) && isFinal(state)) drafts.push(progress(message, record));
  return drafts;
}

const imageOf = (image: Image): ContractMessage => ofContract(readStoredMessage(image as unknown as StoredMessage));

const isPublished = (state: MessageState): state is PublishedState => Object.hasOwn(stateEvents, state);

/** Returns how many steps a message in this state has made; 0 until WhatsApp has accepted it. */
const stepsOf = (state: MessageState | undefined): number =>
  (steps as readonly (MessageState | undefined)[]).indexOf(state) + 1;

/**
 * Drafts the progress event of a contract when one of its messages becomes final. The counter cannot trigger it, because each receipt changes
 * the counter, too. All messages that become final within the same half minute draft the same id; its time is the beginning of that half minute.
 */
function progress({ tenantId, accountId, contractId }: ContractMessage, record: ChangeRecord): EventDraft {
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
