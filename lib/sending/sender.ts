import { readContent } from '../aws/messages/contents.ts';
import { outcomeUnknown, outcomeUnknownAfterMs } from '../aws/messages/outcome-unknown.ts';
import type { Account } from '../domain/accounts/account.ts';
import type { Content } from '../domain/content.ts';
import { crashedHost, type Message, type MessageError, maxCrashes } from '../domain/messages/message.ts';
import { asideMs, classifyAck, triesInARow } from '../domain/messages/send-outcome.ts';
import { boundedCache } from '../runtime/bounded-cache.ts';
import type { SendingDeps } from './deps.ts';
import type { InHand, Resolved } from './in-hand.ts';
import { type Ack, Unanswered, type Wire } from './wire.ts';

/** Longest wait (ms) for an ack. Then the account reconnects, drains, and sends the same id again. */
const ackTimeoutMs = 20_000;

/** `open`: no answer came. The message stays in hand; renew the connection and call `leftOver`. */
export type SendResult = Resolved | { kind: 'open' };

/** A message that must be sent again. `suspect`: one more dead host ends it, so no other suspect may be sent at the same time. */
export interface Again {
  message: Message;
  content: Content;
  suspect: boolean;
}

/** The rest of the messages in hand: `again` must be sent again; those laid aside may be fed again from `retryAtMs` (epoch ms). */
export interface LeftOver {
  again: Again[];
  retryAtMs: number | undefined;
}

/** Callbacks between the steps of one send. */
export interface SendSteps {
  /** Waits and shows typing, between the lookup and the send. */
  courtesy(): Promise<void>;
  /** Called when the message has been sent. */
  onWire(): void;
  /** Called when WhatsApp refuses first contacts (463). Awaited before the outcome is written. */
  firstContactsRefused(): Promise<void>;
}

const notOnWhatsApp: MessageError = { code: 'NOT_ON_WHATSAPP', message: 'This number is not on WhatsApp.' };

/** Sends messages in hand and decides their outcomes. Only InHand keeps and writes their states. */
export class Sender {
  private readonly deps: SendingDeps;
  readonly hand: InHand;
  private readonly account: () => Pick<Account, 'linkedAt'>;
  /** Messages that WhatsApp refused because our list of the recipient's devices was out of date (479). */
  private readonly refreshDevices = boundedCache<true>(1_000);

  constructor(deps: SendingDeps, hand: InHand, account: () => Pick<Account, 'linkedAt'>) {
    this.deps = deps;
    this.hand = hand;
    this.account = account;
  }

  /** Tries once to send a claimed message: lookup -> courtesy -> wire -> ack -> outcome. */
  async send(wire: Wire, message: Message, content: Content, steps: SendSteps): Promise<SendResult> {
    const { hand } = this;
    const { clock, lease, counts } = this.deps;
    if ((await wire.lookup(message.to)) === false) {
      return await hand.resolve(message, 'FAILED', { error: this.unlessItMayHaveLeft(message, notOnWhatsApp) });
    }
    await steps.courtesy();
    if (!lease.valid()) return { kind: 'fenced' };
    const startedMs = clock.monotonicMs();
    hand.onWire(message);
    let ack: Ack;
    try {
      const refresh = this.refreshDevices.delete(message.id);
      ack = await wire.send(
        { id: message.id, to: message.to, content, onWire: steps.onWire, ...(refresh ? { refreshDevices: true } : {}) },
        ackTimeoutMs,
      );
    } catch (error) {
      const left = error instanceof Unanswered;
      hand.offWire(message, left);
      counts.send(left ? 'unanswered' : 'not_sent');
      this.deps.logger.info({ message: message.id, reason: String(error) }, 'a send has no answer yet');
      return lease.valid() ? { kind: 'open' } : { kind: 'fenced' };
    }
    // A refusal means that this try did not arrive.
    if (ack.withheld === true || ack.code !== undefined) hand.offWire(message, false);
    // The person has opted out under another address. The number is suppressed by now, so the next claim ends the message.
    if (ack.withheld === true) return await hand.layAside(message, clock.nowMs());
    counts.ack(ack.code, clock.monotonicMs() - startedMs);
    return await this.answered(message, ack, steps);
  }

  private async answered(message: Message, ack: Ack, steps: SendSteps): Promise<SendResult> {
    const { hand } = this;
    const { clock, random, counts } = this.deps;
    const nowMs = clock.nowMs();
    const attempts = message.attempts + 1;
    const outcome = classifyAck(ack.code, message.attempts, nowMs, random);
    counts.send(outcome.kind);
    switch (outcome.kind) {
      case 'sent': {
        counts.acceptToAck(nowMs - message.createdAt);
        const { sentTo } = ack;
        return hand.keep(message, { attempts, sentAt: nowMs, ...(sentTo === undefined ? {} : { sentTo }) });
      }
      case 'retry':
        if (outcome.refreshDevices === true) this.refreshDevices.set(message.id, true);
        return await hand.layAside(message, outcome.notBefore, { attempts });
      case 'failed': {
        // Before the outcome: until it is written nothing else is claimed. If this host dies now, the message in hand is held too.
        if (outcome.holdsFirstContacts === true) await steps.firstContactsRefused();
        const error = this.unlessItMayHaveLeft(message, outcome.error);
        return await hand.resolve(message, 'FAILED', { attempts, error });
      }
      default:
        return outcome satisfies never;
    }
  }

  /** Returns the error with which a message fails. An earlier try without an answer may have arrived: then its outcome is not known. */
  private unlessItMayHaveLeft(message: Message, error: MessageError): MessageError {
    return this.hand.mayHaveLeft(message) ? outcomeUnknown : error;
  }

  /**
   * Resolves messages in hand from before this connection. Call it once the receipts that waited at the server are written: they make some
   * messages final. The others must be sent again with the same id and content: claim them again, under pacing. A message that gets no answer
   * three times is laid aside for a while, so that the others continue. It is given up after 24 h, with another device, or when three hosts
   * have died over it. Returns undefined when the account, or a message, belongs to another owner by now.
   */
  async leftOver(): Promise<LeftOver | undefined> {
    const left: LeftOver = { again: [], retryAtMs: undefined };
    const open = await this.hand.stillOpen();
    if (open === undefined) return undefined;
    for (const message of open) {
      const result = await this.againOrResolved(message);
      if (result.kind === 'fenced') return undefined;
      if (result.kind === 'again') left.again.push(result);
      else if (result.retryAtMs !== undefined) {
        left.retryAtMs = Math.min(left.retryAtMs ?? Number.POSITIVE_INFINITY, result.retryAtMs);
      }
    }
    return left;
  }

  private async againOrResolved(message: Message): Promise<({ kind: 'again' } & Again) | Resolved> {
    const { hand } = this;
    const nowMs = this.deps.clock.nowMs();
    const { since = nowMs, tries = 0 } = message.claim ?? {};
    const content = await readContent(this.deps.table, message.tenantId, message.id);
    // A device linked since would send it as a new message. The owner that had it in hand died before it could end it.
    const isOthers = since < (this.account().linkedAt ?? 0);
    if (content === undefined || isOthers || nowMs - since > outcomeUnknownAfterMs) {
      return await hand.resolve(message, 'FAILED', { error: outcomeUnknown });
    }
    // A crash is counted when an owner finds a dead owner's message in hand. The next claim writes the count.
    const crashes = hand.crashesOver(message);
    if (crashes >= maxCrashes) {
      this.deps.counts.poisoned();
      return await hand.resolve(message, 'FAILED', { error: crashedHost });
    }
    if (tries < triesInARow) return { kind: 'again', message, content, suspect: crashes === maxCrashes - 1 };
    const asides = (message.asides ?? 0) + 1;
    return await hand.layAside(message, nowMs + asideMs(asides), { asides });
  }

  /** Abandons every message in hand, because none may be sent again. */
  async abandonAll(): Promise<void> {
    for (const message of (await this.hand.stillOpen()) ?? []) await this.abandon(message);
  }

  /** Ends a message that is left over as FAILED with `outcomeUnknown` if a try may have arrived. Otherwise it waits as PENDING. */
  async abandon(message: Message): Promise<Resolved> {
    const { hand } = this;
    if (!hand.mayHaveLeft(message)) return await hand.layAside(message, this.deps.clock.nowMs());
    return await hand.resolve(message, 'FAILED', { error: outcomeUnknown });
  }
}
