import { takesSteps } from '../aws/messages/messages.ts';
import type { Message } from '../domain/messages/message.ts';
import { boundedCache } from '../runtime/bounded-cache.ts';

/** Messages that a process remembers, for all accounts together: about half a kilobyte each. */
const remembered = 20_000;

/**
 * Messages that this process has written lately and whose receipts may still come, so that a receipt needs no read. The oldest are forgotten
 * first. A failed message is not remembered: it may be sent again, and its receipts would be ignored.
 */
export class SentMessages {
  private readonly messages = boundedCache<Message>(remembered);

  get(id: string): Message | undefined {
    return this.messages.get(id);
  }

  put(message: Message): void {
    this.messages.delete(message.id);
    if (!takesSteps(message)) return;
    this.messages.set(message.id, message);
  }

  forget(id: string): void {
    this.messages.delete(id);
  }
}
