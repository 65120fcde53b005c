/**
 * The modes of an account that a host owns, and all moves between them:
 *
 *   held        nothing runs; every account begins here
 *     -> connecting   the tenant wants a connection and the account has not stopped, or a logout must reach the network
 *     -> waiting      for the end of a backoff or of a restriction
 *   connecting  a connection is being opened, or shows the codes to link with
 *     -> open         logged in
 *     -> held         the connection has ended or was closed
 *   open        messages go out
 *     -> held         the connection has ended or was closed
 *   waiting
 *     -> held         the time is over: the account is read again
 *     -> connecting   the tenant has asked for a connection again
 *     -> waiting      for a new time
 *   gone        given up, or owned by another host; reached from every mode; final
 *
 * Moves from `held` after the end of a connection (`followUp` decides, `AccountRunner.follow` acts):
 *
 *   connect, renew_client        -> connecting
 *   retry, take_back             -> waiting
 *   halt: restricted             -> waiting, until the restriction is over
 *   halt: any other reason; rest -> gone, with a status that waits for the tenant
 */
export type Mode = 'held' | 'connecting' | 'open' | 'waiting' | 'gone';

const moves: Record<Mode, readonly Mode[]> = {
  held: ['connecting', 'waiting', 'gone'],
  connecting: ['open', 'held', 'gone'],
  open: ['held', 'gone'],
  waiting: ['held', 'connecting', 'waiting', 'gone'],
  gone: [],
};

/** Pure: returns the mode after this move. Throws if the table has no such move. */
export function move(from: Mode, to: Mode): Mode {
  if (!moves[from].includes(to)) throw new Error(`an account that is ${from} cannot become ${to}`);
  return to;
}

/** Pure: returns true if an account in this mode has a connection. */
export function isConnected(mode: Mode): boolean {
  switch (mode) {
    case 'connecting':
    case 'open':
      return true;
    case 'held':
    case 'waiting':
    case 'gone':
      return false;
    default:
      return mode satisfies never;
  }
}
