import type { InboundBatch } from '../inbound/inbound.ts';
import { receivedView } from '../inbound/view.ts';
import { suppressionView } from '../people/suppression-view.ts';
import type { Endpoint } from '../webhooks/endpoint.ts';
import { endpointView } from '../webhooks/endpoint-view.ts';
import { accountEvents } from './account.ts';
import { contractEvents } from './contract.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText } from './draft.ts';
import { messageEvents, publishedStates } from './message.ts';

export * from '../event-types.ts';
export type { ChangeRecord, EventDraft, Image, Subject } from './draft.ts';
export { progressEveryMs } from './message.ts';

/** Drafts the events of one changed item. `before` is undefined for a new item, `after` for a removed one. */
type Draft = (before: Image | undefined, after: Image | undefined, record: ChangeRecord) => EventDraft[];

interface PublishedItem {
  draft: Draft;
  /** Only changes into these states give events; default: any change may. */
  states?: readonly string[];
  /** True: the removal of the item gives an event, too. Others are removed after their retention, or with a contract or account that has ended. */
  removal?: true;
}

const withoutRemoval =
  (draft: (before: Image | undefined, after: Image, record: ChangeRecord) => EventDraft[]): Draft =>
  (before, after, record) =>
    after === undefined ? [] : draft(before, after, record);

/**
 * The item types whose changes are published. The filters of the stream that feeds functions/events derive from this list
 * (lib/infra/events.ts), so that other items do not even invoke it.
 */
export const publishedItems: Readonly<Record<string, PublishedItem>> = {
  account: { draft: withoutRemoval(accountEvents) },
  contract: { draft: withoutRemoval(contractEvents) },
  inboundBatch: { draft: withoutRemoval(inboundEvents) },
  suppression: { draft: suppressionEvents, removal: true },
  endpoint: { draft: withoutRemoval(endpointEvents) },
  message: { draft: withoutRemoval(messageEvents), states: publishedStates },
};

/**
 * Pure: returns the events of a change of an item, in order. The same record gives the same events with the same ids. Many records give none.
 * Throws on an image that no version of Paceline can have written.
 */
export function eventsOf(before: Image | undefined, after: Image | undefined, record: ChangeRecord): EventDraft[] {
  const { type } = after ?? before ?? {};
  const item = typeof type === 'string' && Object.hasOwn(publishedItems, type) ? publishedItems[type] : undefined;
  return item === undefined ? [] : item.draft(before, after, record);
}

/** A batch gives one event, when it is closed. The texts of its messages are filled in later. */
function inboundEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  if (after.closedAt === undefined || before?.closedAt !== undefined) return [];
  const batch = after as unknown as InboundBatch;
  const { id, tenantId, accountId, chat } = batch;
  for (const text of [id, tenantId, accountId, chat]) mustBeText(text);
  const messages = batch.messages.map(({ id, from, at, type }) => ({ id, from, at, type }));
  const draft = draftOf(record, {
    type: 'message.received',
    tenantId,
    of: id,
    version: '',
    about: { kind: 'data', data: receivedView({ ...batch, messages }) },
  });
  return [{ ...draft, accountId, chat, content: id }];
}

/** Drafts the event of a suppression that is created or removed. A change of an existing one gives no event. */
function suppressionEvents(before: Image | undefined, after: Image | undefined, record: ChangeRecord): EventDraft[] {
  const item = after ?? before;
  if (item === undefined || (before !== undefined && after !== undefined)) return [];
  const data = { suppression: suppressionView(item as unknown as Parameters<typeof suppressionView>[0]) };
  return [
    draftOf(record, {
      type: after === undefined ? 'suppression.deleted' : 'suppression.created',
      tenantId: mustBeText(item.tenantId),
      of: mustBeText(item.sk),
      version: record.version,
      about: { kind: 'data', data },
    }),
  ];
}

/** An endpoint that Paceline disabled. One that its tenant disables has no reason, and gives no event. */
function endpointEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  if (after.disabledReason === undefined || before?.disabledReason !== undefined) return [];
  return [
    draftOf(record, {
      type: 'webhook.disabled',
      tenantId: mustBeText(after.tenantId),
      of: mustBeText(after.id),
      version: record.version,
      about: { kind: 'data', data: { webhook: endpointView(after as unknown as Endpoint) } },
    }),
  ];
}
