import type { Message } from '../lib/domain/message.ts';

/** Messages one host remembers, all accounts together: about half a kilobyte each. */
const remembered = 20_000;

/** Messages this host has written lately, so that their receipts need not read them. The oldest are forgotten first, read ones at once. */
export class SentMessages {
  private readonly messages = new Map<string, Message>();

  get(id: string): Message | undefined {
    return this.messages.get(id);
  }

  put(message: Message): void {
    this.messages.delete(message.id);
    if (message.state === 'READ') return;
    this.messages.set(message.id, message);
    for (const oldest of this.messages.keys()) {
      if (this.messages.size <= remembered) break;
      this.messages.delete(oldest);
    }
  }

  forget(id: string): void {
    this.messages.delete(id);
  }
}
