import type { ConnectionChecks } from '../connection/check.ts';
import { Connection } from '../connection/connection.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportListener } from '../transport.ts';
import type { AccountParts, Machine } from './parts.ts';

/** Begins a connection of the account and tells `machine` of everything that happens. Returns undefined if the keys are closed by now. */
export function openConnection(
  deps: HostDeps,
  checks: Pick<ConnectionChecks, 'add' | 'delete'>,
  parts: AccountParts,
  machine: Machine,
): Connection | undefined {
  const session = parts.transport.open(listenTo(() => connection, deps, parts, machine));
  if (session === undefined) return undefined;
  const connection: Connection = new Connection({ deps, checks, events: parts.events, machine }, session);
  return connection;
}

/** Takes what one connection says: changes of its state in turn, receipts and inbound messages at once. */
function listenTo(
  connection: () => Connection,
  deps: HostDeps,
  { events, firstContacts, hand, inbound, links, loop, record }: AccountParts,
  machine: Machine,
): TransportListener {
  const inTurn = (where: string, task: () => Promise<void>) => machine.handle(connection, where, task);
  return {
    onLink: (link) => inTurn('link', () => links.offered(connection().session, link)),
    // The connection goes on until the network asks for the restart: closed earlier, the phone would say that linking failed.
    onLinked: ({ phoneNumber }) =>
      inTurn('linked', async () => {
        links.end();
        await record.linked(phoneNumber);
      }),
    onPasskeyDemanded: () => inTurn('passkey', () => machine.halt({ kind: 'passkey_required' })),
    onOpen: ({ phoneNumber }) => inTurn('open', () => machine.opened(phoneNumber)),
    onDrained: () => connection().drained(),
    onReceipt: (receipt) => {
      deps.metrics.receipts.inc({ kind: receipt.kind });
      events.received(receipt, hand.ackedAt(receipt));
      return hand.receipts.add(receipt);
    },
    onInbound: async (message, secret) => {
      if (!machine.mayAct()) throw new Error('this host does not own the account any more');
      events.active();
      await inbound.keep(message, secret);
    },
    onUndecryptable: (id, askedAgain) => inbound.undecryptable(id, askedAgain),
    onAddressesLearnt: (person) => inbound.mayWriteTo(person),
    onFirstContacts: (refusedUntil) =>
      inTurn('first contacts', async () => {
        await firstContacts.told(refusedUntil);
        loop.look();
      }),
    onQueryFailed: () => connection().check.queryFailed(),
    onClosed: (end) => {
      connection().end = end;
      inTurn('closed', () => machine.closed(end));
    },
  };
}
