import { type Stanza, stanza } from '../wire/stanza.ts';

/** The length of a temporary ban, unless the fault order names another. */
const RESTRICTION_MS = 3_600_000;
/** "Sent too many messages to people who don't have you in their address books", in WhatsApp's own table. */
const RESTRICTION_REASON = '101';

/** Sent after linking: the client must log in again. */
export const restartRequired = (): Stanza => stanza('stream:error', { code: '515' });

/** Sent when another connection of the same device took over. Clients report it as 440. */
export const replaced = (): Stanza => stanza('stream:error', {}, [stanza('conflict', { type: 'replaced' })]);

/** Returns the last stanza that makes a client report this code. `ms` is the length of a restriction (402). */
export function ending(code: number, ms?: number): Stanza {
  switch (code) {
    case 401:
      return stanza('stream:error', { code: '401' }, [stanza('conflict', { type: 'device_removed' })]);
    case 402:
      return failure(402, ms);
    case 403:
    case 405:
    case 406:
    case 411:
      return failure(code);
    case 440:
      return replaced();
    default:
      return stanza('stream:error', { code: String(code) });
  }
}

/** Returns the stanza that refuses a login. */
export function failure(code: number, ms: number = RESTRICTION_MS): Stanza {
  return stanza('failure', {
    reason: String(code),
    location: 'sim',
    code: code === 402 ? RESTRICTION_REASON : undefined,
    expire: code === 402 ? String(Math.ceil(ms / 1000)) : undefined,
  });
}
