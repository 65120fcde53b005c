import type { Account } from '../accounts.ts';
import { shareHistory } from '../phones/history.ts';
import { lidJid } from '../wire/jid.ts';
import type { Hello } from '../wire/noise.ts';
import { SERVER, stanza } from '../wire/stanza.ts';
import { stanzaTime } from '../world.ts';
import type { Connection } from './connection.ts';
import { failure, replaced } from './ending.ts';
import { offerLink } from './linking.ts';

/** The code of a refused login, unless the fault order names another. */
const UNAVAILABLE = 503;

/** Continues after the handshake: offers linking to a device without an account, logs in or refuses any other. */
export function greet(connection: Connection, hello: Hello): void {
  if (hello.payload.devicePairingData) offerLink(connection, hello);
  else logIn(connection, hello);
}

function logIn(connection: Connection, { payload, noiseKey }: Hello): void {
  const { world } = connection;
  const number = String(payload.username ?? '');
  const account = world.accounts.get(number, payload.device ?? 0);
  const refused = world.faults.take(number, 'refuse-login');
  if (refused) connection.close(failure(refused.code ?? UNAVAILABLE, refused.ms));
  else if (!account || account.state === 'unlinked' || !account.keys.noiseKey.equals(noiseKey)) {
    connection.close(failure(401));
  } else if (account.state === 'banned') connection.close(failure(403));
  else welcome(connection, account, payload.passive === true);
}

function welcome(connection: Connection, account: Account, passive: boolean): void {
  const { world } = connection;
  connection.account = account;
  connection.state = 'draining';
  world.connections.login(account, connection)?.close(replaced());
  connection.send(
    stanza('success', {
      t: stanzaTime(world.clock()),
      lid: lidJid(account.lid, account.device),
      creation: stanzaTime(account.linkedAtMs),
      location: 'sim',
      props: '0',
    }),
  );
  if (!passive) drain(connection);
}

/** Sends the account's waiting stanzas and the marker that ends them. Later stanzas are sent when they are due. */
export function drain(connection: Connection): void {
  const { account, world } = connection;
  if (!account || connection.state !== 'draining') return;
  if (!account.historyShared) {
    account.historyShared = true;
    account.save();
    shareHistory(world, account, 'first');
  }
  connection.state = 'live';
  world.connections.live(connection);
  const owed = world.outbox.due(account.jid);
  if (owed.length > 0) {
    const count = (kind: string) => String(owed.filter((entry) => entry.kind === kind).length);
    const preview = { count: String(owed.length), message: count('message'), receipt: count('receipt') };
    connection.send(stanza('ib', { from: SERVER }, [stanza('offline_preview', preview)]));
  }
  for (const [index, entry] of owed.entries()) {
    connection.send({ ...entry.stanza, attrs: { ...entry.stanza.attrs, offline: String(index) } });
  }
  connection.send(stanza('ib', { from: SERVER }, [stanza('offline', { count: String(owed.length) })]));
}
