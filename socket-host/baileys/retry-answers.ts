import type { BinaryNode } from '@whiskeysockets/baileys';
import type { Sent } from '../../lib/aws/messages/messages.ts';
import type { Content } from '../../lib/domain/content.ts';
import { messageIdOf } from '../../lib/domain/ids.ts';
import { isRecipient } from '../../lib/domain/messages/receipts.ts';
import { boundedCache } from '../../lib/runtime/bounded-cache.ts';
import type { RetryRequest } from './receipts.ts';
import type { TransportLogger } from './redaction.ts';

/** Tries to read a sent message. A read of the table may fail for a moment. */
const sentAttempts = 3;
/** The most contents that wait for Baileys to fetch them and send them again. */
const mostAskedAgain = 100;

/** Returns the name of a retry request: its message and the address of the device that asks. */
const askedKey = (id: string, device: string): string => `${id} ${device}`;

/** Decides which retry requests of one connection are answered, and holds their contents. */
export class RetryAnswers {
  private readonly sentUnder: (messageId: string) => Promise<Sent | undefined>;
  private readonly logger: TransportLogger;
  private readonly contents = boundedCache<Content>(mostAskedAgain);

  /** `sentUnder` reads the content that was sent under an id; undefined: nothing was sent, or too long ago. */
  constructor(sentUnder: (messageId: string) => Promise<Sent | undefined>, logger: TransportLogger) {
    this.sentUnder = sentUnder;
    this.logger = logger;
  }

  /**
   * Resolves with the stanza of the request when Baileys must answer it. Any person can ask for any message. The content goes to its recipient, and
   * to the account's own devices, which have got a copy. A request of anyone else changes nothing, not even the Signal session.
   */
  async answerable({ ids, recipient, own, node }: RetryRequest): Promise<BinaryNode | undefined> {
    for (const id of ids) {
      const messageId = messageIdOf(id);
      // Baileys also sends messages of its own to these devices, which have no id of ours.
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

  /** Returns the content of a retry request that is being answered, and forgets it. */
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
