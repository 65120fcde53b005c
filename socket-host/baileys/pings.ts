import { type BinaryNode, S_WHATSAPP_NET, type WASocket } from '@whiskeysockets/baileys';

/** Pings of one connection, one at a time. Baileys' own pings do not show when they are answered. These need no timer and no listener each. */
export class Pings {
  private pending: { id: string; answer: PromiseWithResolvers<void> } | undefined;

  /** Pings the server. Resolves with its answer, rejects when it refuses, and never settles if the next ping comes first. */
  ask(sock: WASocket): Promise<void> {
    const id = sock.generateMessageTag();
    const answer = Promise.withResolvers<void>();
    this.pending = { id, answer };
    const ping: BinaryNode = {
      tag: 'iq',
      attrs: { id, to: S_WHATSAPP_NET, type: 'get', xmlns: 'w:p' },
      content: [{ tag: 'ping', attrs: {} }],
    };
    // A connection that takes nothing any more ends, or falls silent. Other code notices both.
    sock.sendNode(ping).catch(() => {});
    return answer.promise;
  }

  /** Call this with every stanza from the server. */
  take({ tag, attrs }: BinaryNode): void {
    if (this.pending === undefined || attrs.id !== this.pending.id || tag !== 'iq') return;
    const { answer } = this.pending;
    this.pending = undefined;
    if (attrs.type === 'error') answer.reject(new Error('WhatsApp refused a ping'));
    else answer.resolve();
  }
}
