import type { EventEmitter } from 'node:events';
import type { TransportSession } from '../../../socket-host/transport.ts';

/** The emitter of stanzas behind a session, which is not part of its interface. */
export function stanzasOf(session: TransportSession): EventEmitter {
  const sock: unknown = Reflect.get(session, 'sock');
  if (typeof sock !== 'object' || sock === null) throw new Error('the session has no socket');
  return Reflect.get(sock, 'ws') as EventEmitter;
}

/** Counts the answers to the client's queries from now on: one for each query. */
export function countQueries(session: TransportSession): () => number {
  let answers = 0;
  stanzasOf(session).on('frame', (frame: { tag?: string; attrs?: { type?: string } }) => {
    if (frame.tag === 'iq' && (frame.attrs?.type === 'result' || frame.attrs?.type === 'error')) answers += 1;
  });
  return () => answers;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
