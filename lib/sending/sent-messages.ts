import { takesSteps } from '../aws/messages/messages.ts';
import type { Message } from '../domain/messages/message.ts';
import { boundedCache } from '../runtime/bounded-cache.ts';

/** Messages one host remembers, all accounts together: about half a kilobyte each. */
const remembered = 20_000;

/**
 * Messages this host has written lately whose receipts are still to come, so that these need not read them. The oldest are forgotten first. One that
 * has failed is not remembered: it may be sent again, and its receipts would be passed over.
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
