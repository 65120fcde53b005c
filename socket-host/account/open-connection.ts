import type { ConnectionChecks } from '../connection/check.ts';
import { Connection } from '../connection/connection.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportListener } from '../transport.ts';
import type { AccountParts, Machine } from './parts.ts';

/** Opens a connection of the account and calls `machine` for everything that happens. Returns undefined if the keys are already closed. */
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

/** Returns the listener of one connection. It handles changes of state one after the other, receipts and inbound messages at once. */
function listenTo(
  connection: () => Connection,
  deps: HostDeps,
  { events, firstContacts, hand, inbound, links, loop, record }: AccountParts,
  machine: Machine,
): TransportListener {
  const posted = (where: string, task: () => Promise<void>) => machine.handle(connection, where, task);
  return {
    onLink: (link) => posted('link', () => links.offered(connection().session, link)),
    // The connection stays open until the network asks for the restart. If it closed earlier, the phone would show that linking failed.
    onLinked: ({ phoneNumber }) =>
      posted('linked', async () => {
        links.end();
        await record.linked(phoneNumber);
      }),
    onPasskeyDemanded: () => posted('passkey', () => machine.halt({ kind: 'passkey_required' })),
    onOpen: ({ phoneNumber }) => posted('open', () => machine.opened(phoneNumber)),
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
      posted('first contacts', async () => {
        await firstContacts.announced(refusedUntil);
        loop.look();
      }),
    onQueryFailed: () => connection().check.queryFailed(),
    onClosed: (end) => {
      connection().end = end;
      posted('closed', () => machine.closed(end));
    },
  };
}
