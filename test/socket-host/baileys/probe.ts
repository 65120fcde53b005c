import type { EventEmitter } from 'node:events';
import type { TransportSession } from '../../../socket-host/transport.ts';

/** The emitter of stanzas behind a session, which is not part of its interface. */
export function stanzasOf(session: TransportSession): EventEmitter {
  const sock: unknown = Reflect.get(session, 'sock');
  if (typeof sock !== 'object' || sock === null) throw new Error('the session has no socket');
  return Reflect.get(sock, 'ws') as EventEmitter;
}

/** Counts the answers to the client's queries from now on, one for each query; with `about`, only those that hold this element. */
export function countQueries(session: TransportSession, about?: string): () => number {
  let answers = 0;
  stanzasOf(session).on('frame', ({ tag, attrs, content }: Frame) => {
    if (tag !== 'iq' || (attrs?.type !== 'result' && attrs?.type !== 'error')) return;
    if (about === undefined || (Array.isArray(content) && content[0]?.tag === about)) answers += 1;
  });
  return () => answers;
}

interface Frame {
  tag?: string;
  attrs?: { type?: string };
  content?: { tag: string }[];
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
