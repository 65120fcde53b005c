import { readSent } from '../../lib/aws/messages/messages.ts';
import type { InHand } from '../../lib/sending/in-hand.ts';
import type { LinkSeries } from '../account/link-series.ts';
import type { AccountRecord } from '../account/record.ts';
import type { HostDeps } from '../deps.ts';
import type { Inbound } from '../inbound/inbound.ts';
import type { FirstContacts } from '../loop/first-contacts.ts';
import type { SessionEnd, TransportListener } from '../transport.ts';
import type { ConnectionEvents } from './events.ts';
import type { LiveSession } from './live-session.ts';

interface Needs {
  deps: HostDeps;
  record: AccountRecord;
  links: LinkSeries;
  hand: Pick<InHand, 'receipts' | 'ackedAt'>;
  inbound: Inbound;
  firstContacts: Pick<FirstContacts, 'told'>;
  events: ConnectionEvents;
  mayAct(): boolean;
  /** Queues the task behind what the account is doing; it is left out when `live` is not the account's connection any more. */
  handle(live: () => LiveSession, where: string, task: () => Promise<void>): void;
  linked(phoneNumber: string): Promise<void>;
  passkeyDemanded(): Promise<void>;
  opened(live: LiveSession, phoneNumber: string): Promise<void>;
  closed(end: SessionEnd): Promise<void>;
}

/** Takes what one connection says: changes of its state in turn, receipts and inbound messages at once. */
export function listenTo(live: () => LiveSession, needs: Needs): TransportListener {
  const { deps, record, links, hand, inbound, events, handle } = needs;
  const { tenantId, accountId } = record.hold;
  return {
    onLink: (link) => handle(live, 'link', () => links.offered(live().session, link)),
    onLinked: ({ phoneNumber }) => handle(live, 'linked', () => needs.linked(phoneNumber)),
    onOpen: ({ phoneNumber }) => handle(live, 'open', () => needs.opened(live(), phoneNumber)),
    onDrained: () => live().drained(),
    onReceipt: (receipt) => {
      deps.metrics.receipts.inc({ kind: receipt.kind });
      events.received(receipt, hand.ackedAt(receipt));
      return hand.receipts.add(receipt);
    },
    onInbound: async (message, secret) => {
      if (!needs.mayAct()) throw new Error('this host does not own the account any more');
      events.active();
      await inbound.keep(message, secret);
    },
    secretOf: (inboundId) => inbound.secretOf(inboundId),
    onUndecryptable: (id, askedAgain) => inbound.undecryptable(id, askedAgain),
    onAddressesLearnt: (person) => inbound.mayWriteTo(person),
    sent: (messageId) => readSent(deps.table, tenantId, accountId, messageId),
    onClosed: (end) => {
      live().end = end;
      handle(live, 'closed', () => needs.closed(end));
    },
    onQueryFailed: () => live().check.queryFailed(),
    onFirstContacts: (refusedUntil) => handle(live, 'first contacts', () => needs.firstContacts.told(refusedUntil)),
    onPasskeyDemanded: () => handle(live, 'passkey', () => needs.passkeyDemanded()),
  };
}
