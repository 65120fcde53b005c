import type { BinaryNode } from '@whiskeysockets/baileys';
import type { Sent } from '../../lib/aws/messages/messages.ts';
import type { Content } from '../../lib/domain/content.ts';
import { messageIdOf } from '../../lib/domain/ids.ts';
import { isRecipient } from '../../lib/domain/messages/receipts.ts';
import { boundedCache } from '../../lib/runtime/bounded-cache.ts';
import type { RetryRequest } from './receipts.ts';
import type { TransportLogger } from './redaction.ts';

/** Reading a sent message may fail for a moment, as any database read. */
const sentAttempts = 3;
/** Contents that Baileys has been told to send again and has not asked for yet. */
const mostAskedAgain = 100;

/** Names a retry request: which message, and the address of the device that asks. */
const askedKey = (id: string, device: string): string => `${id} ${device}`;

/** Which retry requests of one connection are answered, and with what content. */
export class RetryAnswers {
  private readonly sentUnder: (messageId: string) => Promise<Sent | undefined>;
  private readonly logger: TransportLogger;
  private readonly contents = boundedCache<Content>(mostAskedAgain);

  /** `sentUnder` reads what was sent under an id; undefined: nothing, or too long ago. */
  constructor(sentUnder: (messageId: string) => Promise<Sent | undefined>, logger: TransportLogger) {
    this.sentUnder = sentUnder;
    this.logger = logger;
  }

  /**
   * Resolves with the request's stanza when Baileys is to answer it. Anybody can ask for any message. The content goes to its recipient alone, and
   * to our own devices, which have got a copy; for anybody else nothing happens at all, not even to the Signal session.
   */
  async answerable({ ids, recipient, own, node }: RetryRequest): Promise<BinaryNode | undefined> {
    for (const id of ids) {
      const messageId = messageIdOf(id);
      // What our own devices miss may be Baileys' own word to them.
      if (messageId === undefined && own) continue;
      const sent = messageId === undefined ? undefined : await this.read(messageId);
      if (sent === undefined || !isRecipient(sent, recipient)) {
        this.logger.debug({ own }, 'a retry request is not answered: the message was not for who asks');
        return undefined;
      }
      this.contents.set(askedKey(id, node.attrs.from ?? ''), sent.content);
    }
    return node;
  }

  /** Returns the content of a retry request that is being answered; once. */
  takeContent(id: string, device: string): Content | undefined {
    const key = askedKey(id, device);
    const content = this.contents.get(key);
    this.contents.delete(key);
    return content;
  }

  private async read(messageId: string): Promise<Sent | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.sentUnder(messageId);
      } catch (error) {
        if (attempt >= sentAttempts) throw error;
      }
    }
  }
}
