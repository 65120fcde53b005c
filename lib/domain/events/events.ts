import type { InboundBatch } from '../inbound/inbound.ts';
import { receivedView } from '../inbound/view.ts';
import { suppressionView } from '../people/suppression-view.ts';
import type { Endpoint } from '../webhooks/endpoint.ts';
import { endpointView } from '../webhooks/endpoint-view.ts';
import { accountEvents } from './account.ts';
import { contractEvents } from './contract.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText } from './draft.ts';
import { messageEvents } from './message.ts';

export type { ChangeRecord, EventDraft, Image, Subject } from './draft.ts';
export { progressEveryMs } from './message.ts';
export * from './types.ts';

/**
 * Pure: what a change of an item tells its tenant, in order. The same record gives the same events with the same ids; a record that changes
 * nothing worth telling gives none. Throws on an image that cannot be one of ours.
 */
export function eventsOf(before: Image | undefined, after: Image | undefined, record: ChangeRecord): EventDraft[] {
  const type = (after ?? before)?.type;
  if (type === 'suppression') return suppressionEvents(before, after, record);
  // What goes by its retention, or with its contract or account, has been told.
  if (after === undefined) return [];
  switch (type) {
    case 'message':
      return messageEvents(before, after, record);
    case 'account':
      return accountEvents(before, after, record);
    case 'contract':
      return contractEvents(before, after, record);
    case 'inboundBatch':
      return inboundEvents(before, after, record);
    case 'endpoint':
      return endpointEvents(before, after, record);
    default:
      return [];
  }
}

/** A batch is told once, when its window has closed. What its messages say is filled in later. */
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

/** An opt-out is put and removed, never changed. */
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

/** Switched off by us: what its tenant switches off has no reason. */
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
