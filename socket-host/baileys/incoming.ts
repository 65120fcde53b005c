import { type BinaryNode, jidDecode, type proto } from '@whiskeysockets/baileys';
import type { InboundContent } from '../../lib/domain/inbound/inbound.ts';
import type { AuthStore } from '../auth/store.ts';
import type { TransportListener } from '../transport.ts';
import type { UnreadableCounts } from './caches.ts';
import { noteChat } from './chats.ts';
import { contentOf, editOf } from './content.ts';
import { Drain } from './drain.ts';
import { knownNumber } from './lookups.ts';
import type { TransportLogger } from './redaction.ts';
import { openEdit, sealedEditIn, secretIn } from './sealed-edit.ts';
import { StanzaQueue } from './stanza-queue.ts';
import {
  addressesOf,
  ciphertextsOf,
  type Identity,
  inboundId,
  inboundOf,
  isForPhoneOnly,
  isFromOthers,
  isIgnored,
  messageIn,
  senderOf,
  withoutUnknownKinds,
} from './stanzas.ts';

/** The parts of a session that its inbound side needs. */
export interface IncomingNeeds {
  store: AuthStore;
  listener: TransportListener;
  secretOf(inboundId: string): Promise<Uint8Array | undefined>;
  unreadable: UnreadableCounts;
  logger: TransportLogger;
  identity(): Identity;
  /** Returns false when the listener must hear nothing any more. */
  mayAct(): boolean;
  /** Acks a message without handing it to the listener. */
  ack(stanza: BinaryNode): Promise<void>;
  /** Ends the session. */
  fail(why: string): void;
  /** Calls the listener. An error of the listener is logged and goes no further. */
  notify(call: () => void): void;
}

/**
 * The messages that come on one connection:
 *
 *   stanza -> decrypted by Baileys, in order -> stored by the listener -> receipt
 *                            cannot be read       -> counted, asked for again while the sender's share lasts
 */
export class Incoming {
  private readonly needs: IncomingNeeds;
  private readonly drain: Drain;
  private readonly queue: StanzaQueue;
  private readonly stanzas = new WeakMap<Uint8Array, BinaryNode>();

  constructor(needs: IncomingNeeds) {
    this.needs = needs;
    this.drain = new Drain(() => needs.notify(() => needs.listener.onDrained()));
    this.queue = new StanzaQueue((stanza) => this.stuckAt(stanza));
  }

  /** Call this when the session is open. */
  open(): void {
    this.drain.open();
  }

  /** Call this for the server's marker: nothing waits any more. */
  mark(): void {
    this.drain.mark();
  }

  /** Call this when the session has ended. */
  end(): void {
    this.drain.end();
    this.queue.end();
  }

  /** Call this for each stanza, before Baileys handles it. */
  received(stanza: BinaryNode): void {
    for (const ciphertext of ciphertextsOf(stanza)) this.stanzas.set(ciphertext, stanza);
    if (stanza.attrs.offline !== undefined) this.drain.heard();
  }

  /** Handles a message by Baileys. Every message that waited at the server passes here, so the drain ends with the last of them. */
  async take(stanza: BinaryNode, handle: (stanza: BinaryNode) => Promise<void>): Promise<void> {
    const { from, offline } = stanza.attrs;
    // Baileys acks it and reads nothing: a busy group must not keep people waiting.
    if (from === undefined || isIgnored(from)) return handle(stanza);
    const waited = offline !== undefined;
    if (waited) this.drain.arrived();
    try {
      await this.queue.take(stanza, () => this.handle(stanza, handle));
    } finally {
      if (waited) this.drain.handled();
    }
  }

  /** Runs Paceline's part of handling the present message, which has time limits of its own. */
  own<T>(work: () => Promise<T>): Promise<T> {
    return this.queue.own(work);
  }

  /** Counts a ciphertext that could not be read. Returns false when its sender must not be asked for it again. */
  unreadable(ciphertext: Uint8Array): boolean {
    const stanza = this.stanzas.get(ciphertext);
    if (stanza === undefined) return true;
    const mayAsk = this.needs.unreadable.mayAskAgain(senderOf(stanza));
    this.count(stanza, mayAsk);
    return mayAsk;
  }

  /** Resolves when the listener has stored the message of a decrypted ciphertext; with `unreadable` when it holds no message. */
  async keep(ciphertext: Uint8Array, plaintext: Uint8Array): Promise<'unreadable' | undefined> {
    const stanza = this.stanzas.get(ciphertext);
    if (stanza === undefined) return undefined;
    const message = messageIn(plaintext);
    // Baileys cannot read it either, and asks for it again. If the session ended instead, the message would come back for ever.
    if (message === 'unreadable') return message;
    if (!isFromOthers(stanza, this.needs.identity())) return undefined;
    const content = await this.contentIn(stanza, message);
    if (content !== undefined) await this.deliver(stanza, content, secretIn(message));
    return undefined;
  }

  private async deliver(stanza: BinaryNode, content: InboundContent, secret?: Uint8Array): Promise<void> {
    const inbound = inboundOf(stanza, content, this.needs.identity(), (lid) => knownNumber(this.needs.store, lid));
    if (inbound === undefined) return;
    await this.needs.listener.onInbound(inbound, secret);
    noteChat(this.needs.store, inbound, jidDecode(stanza.attrs.from)?.device ?? 0);
    if (!this.needs.mayAct()) throw new Error('the lease on the account is over');
  }

  /** Returns the content. An encrypted edit has its text if the edited message came to this account with its secret. */
  private async contentIn(stanza: BinaryNode, message: proto.IMessage): Promise<InboundContent | undefined> {
    const content = contentOf(message);
    const sealed = sealedEditIn(message);
    if (sealed === undefined) return content;
    const secret = await this.needs.secretOf(inboundId(sealed.target));
    if (secret === undefined) return content;
    const edited = openEdit(
      sealed,
      secret,
      addressesOf(stanza, (lid) => knownNumber(this.needs.store, lid)),
    );
    return edited === undefined ? content : editOf(edited, sealed.target);
  }

  private async handle(stanza: BinaryNode, handle: (stanza: BinaryNode) => Promise<void>): Promise<void> {
    const { id } = stanza.attrs;
    if (id !== undefined && this.needs.unreadable.isPassedOver(id)) {
      this.needs.logger.warn({}, 'a message that got stuck twice is passed over');
      this.count(stanza, false);
      return this.needs.ack(stanza);
    }
    const readable = withoutUnknownKinds(stanza);
    if (ciphertextsOf(readable).length === 0) await this.withoutCiphertext(stanza);
    await handle(readable);
  }

  /** Stores a view-once message as `other`: its content never comes to a linked device. Any other message without content may come once more. */
  private async withoutCiphertext(stanza: BinaryNode): Promise<void> {
    if (!isForPhoneOnly(stanza)) return this.count(stanza, false);
    try {
      await this.queue.own(() => this.deliver(stanza, { type: 'other' }));
    } catch (error) {
      this.needs.fail('an inbound message could not be stored');
      throw error;
    }
  }

  private count(stanza: BinaryNode, askedAgain: boolean): void {
    const { id } = stanza.attrs;
    if (id === undefined || !isFromOthers(stanza, this.needs.identity())) return;
    this.needs.notify(() => this.needs.listener.onUndecryptable(inboundId(id), askedAgain));
  }

  private stuckAt({ attrs }: BinaryNode): void {
    if (attrs.id !== undefined) this.needs.unreadable.gotStuck(attrs.id);
    this.needs.fail('a message got stuck');
  }
}
