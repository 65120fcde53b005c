import { SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime } from '../world.ts';
import type { Connection } from './connection.ts';

/** What WhatsApp tells a device about itself without having been asked. */
const notice = (connection: Connection, type: string, content: Stanza): Stanza =>
  stanza('notification', { from: SERVER, id: connection.newId(), type, t: stanzaTime(connection.world.clock()) }, [
    content,
  ]);

/** To a device that waits to be linked: the secret in its QR code is out of date; it must show the same reference with a new one. */
export const registrationNotice = (connection: Connection): Stanza =>
  notice(connection, 'companion_reg_refresh', stanza('pair-device-rotate-qr'));

/** To a device that waits to be linked: the phone has used its code, and now a passkey is wanted. */
export const passkeyNotice = (connection: Connection): Stanza =>
  notice(connection, 'passkey_prologue_request', stanza('passkey_prologue_request'));

/** To an account: until when (ms since 1970) it may not write to strangers; 0: it may. */
export function timelockNotice(connection: Connection, untilMs: number): Stanza {
  const xwa2_notify_account_reachout_timelock = {
    is_active: untilMs > 0,
    ...(untilMs > 0 ? { time_enforcement_ends: stanzaTime(untilMs), enforcement_type: 'DEFAULT' } : {}),
  };
  const body = Buffer.from(JSON.stringify({ data: { xwa2_notify_account_reachout_timelock } }));
  return notice(connection, 'mex', stanza('update', { op_name: 'NotificationUserReachoutTimelockUpdate' }, body));
}
