import type { BinaryNode } from '@whiskeysockets/baileys';
import { after } from '../../lib/runtime/clock.ts';
import { type Ack, Unanswered } from '../transport.ts';

/** Replaces an error code that is not a number. */
const unknownErrorCode = 500;

/** The server's answers to messages on the wire, by WhatsApp id. */
export class Acks {
  private readonly waiting = new Map<string, (ack: Ack | Unanswered) => void>();

  /** Expects the answer to a message. Call this before the message leaves, because the answer may come before sending returns. */
  expect(whatsappId: string): PendingAck {
    const { promise, resolve } = Promise.withResolvers<Ack | Unanswered>();
    let answered: Ack | undefined;
    let sentTo: string | undefined;
    this.waiting.set(whatsappId, (answer) => {
      if (!(answer instanceof Unanswered)) answered = answer;
      resolve(answer);
    });
    return {
      sentTo: (address) => {
        sentTo = address;
      },
      answered: () => answered,
      answer: (ack) => {
        answered = ack;
        resolve(ack);
      },
      forget: () => this.waiting.delete(whatsappId),
      within: async (ms) => {
        const cancel = after(ms, () => resolve(new Unanswered(`no ack within ${ms} ms`)));
        try {
          const answer = await promise;
          if (answer instanceof Unanswered) throw answer;
          return sentTo === undefined || answer.withheld === true ? answer : { ...answer, sentTo };
        } finally {
          cancel();
          this.waiting.delete(whatsappId);
        }
      },
    };
  }

  /** Takes an `<ack class="message">`. */
  take({ attrs }: BinaryNode): void {
    const code = attrs.error === undefined ? undefined : Number(attrs.error);
    const ack = code === undefined ? {} : { code: Number.isInteger(code) ? code : unknownErrorCode };
    this.waiting.get(attrs.id ?? '')?.(ack);
  }

  /** Call this when the connection is gone. Every answer that is still expected is missing then. */
  end(): void {
    for (const answer of this.waiting.values()) answer(new Unanswered('the connection ended before the ack'));
    this.waiting.clear();
  }
}

export interface PendingAck {
  /** Returns the answer, if it has come. */
  answered(): Ack | undefined;
  /** Notes that the message goes to another number (digits) than the one given. */
  sentTo(address: string): void;
  /** Gives an answer in place of the server. */
  answer(ack: Ack): void;
  /** Resolves with the answer. Rejects with Unanswered after `ms`, or when the connection ends. */
  within(ms: number): Promise<Ack>;
  forget(): void;
}
