import type { Connection } from '../connection/connection.ts';
import type { FaultOrder } from '../faults.ts';
import { shareHistory } from '../phones/history.ts';
import { numberJid } from '../wire/jid.ts';
import { SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime } from '../world.ts';

/** Phones that make the noise and receive no messages. */
const STRANGERS = ['15550190001', '15550190002', '15550190003'];
const BETWEEN_ROUNDS_MS = 50;

/** Sends a connection the unasked stanzas of a busy account, in `count` (1) rounds with `ms` (50) between them. */
export function makeNoise(connection: Connection, { count = 1, ms = BETWEEN_ROUNDS_MS }: FaultOrder): void {
  const round = (left: number) => {
    for (const node of unasked(connection)) connection.send(node);
    if (connection.account) shareHistory(connection.world, connection.account, 'recent');
    if (left > 1) connection.later(ms, () => round(left - 1));
  };
  round(count);
}

function unasked(connection: Connection): Stanza[] {
  const { world, account } = connection;
  const t = stanzaTime(world.clock());
  const notification = (type: string, from: string, content: Stanza[]) =>
    stanza('notification', { id: connection.newId(), type, from, t }, content);
  const strangers = STRANGERS.flatMap((number) => {
    const jid = numberJid(number);
    return [
      stanza('presence', { from: jid }),
      stanza('chatstate', { from: jid }, [stanza('composing')]),
      stanza('presence', { from: jid, type: 'unavailable', last: t }),
      notification('devices', jid, [stanza('update', { device_hash: '2:noise' }, [stanza('device', { jid })])]),
      notification('picture', jid, [stanza('set', { jid, id: t })]),
    ];
  });
  return [
    ...strangers,
    notification('account_sync', account ? numberJid(account.number) : SERVER, [
      stanza('disappearing_mode', { duration: '0', t }),
    ]),
    stanza('ib', { from: SERVER }, [stanza('dirty', { type: 'account_sync', timestamp: t })]),
    stanza('ib', { from: SERVER }, [stanza('thread_metadata')]),
  ];
}
