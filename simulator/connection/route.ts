import { SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import type { Connection } from './connection.ts';
import { takeMessage } from './messages.ts';
import { answerQuery } from './queries.ts';
import { takeAck, takeReceipt } from './receipts.ts';

/** Passes a client's stanza to the part that handles it. Ignores stanzas that need no answer. */
export function route(connection: Connection, received: Stanza): void {
  switch (received.tag) {
    case 'iq':
      if (received.attrs.type === 'result' || received.attrs.type === 'error') connection.answered(received);
      else answerIq(connection, received);
      break;
    case 'message':
      takeMessage(connection, received);
      break;
    case 'receipt':
      takeReceipt(connection, received);
      break;
    case 'ack':
      takeAck(connection, received);
      break;
    case 'call':
    case 'notification':
      connection.send(
        stanza('ack', {
          class: received.tag,
          id: received.attrs.id,
          from: received.attrs.to,
          type: received.attrs.type,
        }),
      );
      break;
    default: // presence, chatstate, ib: they need no answer
  }
}

const REFUSALS: Record<number, string> = {
  400: 'bad-request',
  403: 'forbidden',
  404: 'item-not-found',
  406: 'not-acceptable',
  429: 'rate-overlimit',
  501: 'feature-not-implemented',
};

const refusal = (code: number) => ({ code: String(code), text: REFUSALS[code] ?? 'error' });

function answerIq(connection: Connection, request: Stanza): void {
  const { id } = request.attrs;
  const answer = answerQuery(connection, request);
  if ('refused' in answer) {
    connection.send(stanza('iq', { from: SERVER, type: 'error', id }, [stanza('error', refusal(answer.refused))]));
    return;
  }
  connection.send(stanza('iq', { from: SERVER, type: 'result', id }, answer.content));
  answer.afterwards?.();
}
