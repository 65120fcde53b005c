import type { Connection } from '../connection/connection.ts';
import { ending } from '../connection/ending.ts';
import { unlink } from '../connection/linking.ts';
import { registrationNotice, timelockNotice } from '../connection/notices.ts';
import type { FaultOrder } from '../faults.ts';
import type { World } from '../world.ts';
import { Problem } from './http.ts';
import { makeNoise } from './noise-profile.ts';

const UNAVAILABLE = 503;

/** Applies a fault to the connections it concerns, or arms it for later. Returns the number of connections it was applied to. */
export function applyFault(world: World, order: FaultOrder): number {
  switch (order.kind) {
    case 'drop':
      return each(world, order, (connection) => connection.drop());
    case 'close':
      return each(world, order, (connection) => close(world, connection, order));
    case 'noise':
      return each(world, { ...order, count: undefined }, (connection) => makeNoise(connection, order));
    case 'ban':
      return ban(world, order);
    case 'timelock':
      return timelock(world, order);
    case 'renew-registration':
      return renewRegistrations(world);
    case 'withhold-ack':
    case 'delay-ack':
    case 'error-ack':
    case 'refuse-login':
    case 'refuse-code':
      world.faults.arm(order);
      return 0;
    default:
      return order.kind satisfies never;
  }
}

/** Ends all faults and bans. */
export function liftFaults(world: World): void {
  world.faults.clear();
  for (const account of world.accounts.list()) if (account.state === 'banned') world.accounts.move(account, 'linked');
}

/** Acts on all connections that the order concerns, or on the first `count` of them. Returns how many these were. */
function each(world: World, order: FaultOrder, act: (connection: Connection) => void): number {
  const concerned = world.connections.loggedIn(order.account).slice(0, order.count);
  for (const connection of concerned) act(connection);
  return concerned.length;
}

function close(world: World, connection: Connection, order: FaultOrder): void {
  const code = order.code ?? UNAVAILABLE;
  // A client gets 401 when its phone has removed it: it must be linked again.
  if (code === 401 && connection.account) {
    unlink(world, connection.account);
  }
  connection.close(ending(code, order.ms));
}

/** Forbids messages to strangers for `ms`; 0 ends the lock. Connected accounts are notified at once, others get it as answer to their query. */
function timelock(world: World, order: FaultOrder): number {
  const { ms = 0 } = order;
  const untilMs = ms === 0 ? 0 : world.clock() + ms;
  world.faults.lock(order.account, untilMs);
  return each(world, { ...order, count: undefined }, (connection) =>
    connection.send(timelockNotice(connection, untilMs)),
  );
}

/** Notifies each device that waits to be linked that its registration is out of date. Returns how many these were. */
function renewRegistrations(world: World): number {
  const waiting = world.connections.all().filter(({ offer }) => offer !== undefined);
  for (const connection of waiting) connection.send(registrationNotice(connection));
  return waiting.length;
}

function ban(world: World, order: FaultOrder): number {
  const accounts = world.accounts.list(order.account).filter((account) => account.state !== 'unlinked');
  if (order.account !== undefined && accounts.length === 0) {
    throw new Problem(422, 'UNKNOWN_ACCOUNT', `No account is linked with the number ${order.account}.`);
  }
  for (const account of accounts) world.accounts.move(account, 'banned');
  return each(world, { ...order, count: undefined }, (connection) => connection.close(ending(403)));
}
