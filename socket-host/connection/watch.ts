import type { Clock } from '../../lib/runtime/clock.ts';
import { type TransportSession, Unanswered } from '../transport.ts';
import type { ConnectionEvents } from './events.ts';

/** The same session; what becomes of its sends is remembered. `answered` is told of each definite answer of the server, good or bad. */
export function watched(
  session: TransportSession,
  { clock, events, answered }: { clock: Clock; events: ConnectionEvents; answered(): void },
): TransportSession {
  return {
    async send(message, ackTimeoutMs) {
      const startedMs = clock.monotonicMs();
      try {
        const ack = await session.send(message, ackTimeoutMs);
        if (ack.withheld === true) return ack;
        if (ack.code === undefined) events.sent(clock.monotonicMs() - startedMs);
        else events.add('error_ack', ack.code);
        answered();
        return ack;
      } catch (error) {
        events.add(error instanceof Unanswered ? 'unanswered' : 'not_sent');
        throw error;
      }
    },
    get heard() {
      return session.heard;
    },
    ping: () => session.ping(),
    typing: (to, on) => session.typing(to, on),
    lookup: (to) => session.lookup(to),
    lidOf: (to) => session.lidOf(to),
    hasChat: (to) => session.hasChat(to),
    firstContactsRefusedUntil: () => session.firstContactsRefusedUntil(),
    otherNumberOf: (to) => session.otherNumberOf(to),
    requestPairingCode: (phoneNumber) => session.requestPairingCode(phoneNumber),
    logout: () => session.logout(),
    close: () => session.close(),
  };
}
