import {
  type AuthenticationCreds,
  type BinaryNode,
  type ConnectionState,
  initAuthCreds,
  jidDecode,
  type WASocket,
} from '@whiskeysockets/baileys';
import type { AccountLink } from '../../lib/domain/accounts/account.ts';
import { whatsappId } from '../../lib/domain/ids.ts';
import { firstContactRefused } from '../../lib/domain/messages/send-outcome.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import { yieldToOthers } from '../../lib/runtime/clock.ts';
import { mutex } from '../../lib/runtime/mutex.ts';
import {
  type Ack,
  NotSent,
  type Outgoing,
  type SessionEnd,
  type TransportListener,
  type TransportSession,
  Unanswered,
} from '../transport.ts';
import { Acks, type PendingAck } from './acks.ts';
import type { AccountCaches } from './caches.ts';
import { hasChat, noteRefusal } from './chats.ts';
import { ourEnd, sessionEnd } from './ending.ts';
import { Incoming } from './incoming.ts';
import { Interrupts } from './interrupts.ts';
import { LinkCodes } from './link-codes.ts';
import { addressesKnown, askLookup, knownAddress, knownLookup, personBehind } from './lookups.ts';
import { stanzaOf } from './outgoing.ts';
import { Pings } from './pings.ts';
import { type KnownAddresses, receiptsOf, retryRequestIn } from './receipts.ts';
import { Recipients } from './recipients.ts';
import { redact } from './redaction.ts';
import { RetryAnswers } from './retry-answers.ts';
import { durableRepository } from './signal.ts';
import { connectSocket } from './socket.ts';
import { type Identity, isNode, jidOf } from './stanzas.ts';
import { Timelock } from './timelock.ts';
import type { ConnectOptions } from './transport.ts';
import type { ClientVersion } from './version.ts';
import { Watchdog } from './watchdog.ts';

type SessionOptions = ConnectOptions & { version: ClientVersion };

/** The code of WhatsApp's error ack for a recipient that it does not know. */
const noDevice = 404;

/**
 * One connection of one account:
 *
 *   starting -> connecting -> open -> ended
 *               connecting -> linking (a code is shown) -> linked (credentials durable) -> ended (515)
 *
 * Every state can end. `finish` is the one place that ends the session, and it notifies the listener last. Failures on Paceline's side end
 * without a code, so the account backs off and connects again.
 */
export class BaileysSession implements TransportSession {
  private state: 'starting' | 'connecting' | 'linking' | 'linked' | 'open' | 'ended' = 'starting';
  private readonly options: SessionOptions;
  private readonly caches: AccountCaches;
  private readonly listener: TransportListener;
  private readonly acks = new Acks();
  private readonly pings = new Pings();
  private readonly incoming: Incoming;
  private readonly timelock: Timelock;
  private readonly watchdog: Watchdog;
  private readonly sendAlone = mutex();
  private readonly recipients: Recipients;
  private readonly retryAnswers: RetryAnswers;
  private readonly interrupts = new Interrupts();
  private readonly ended = Promise.withResolvers<void>();
  private sock: WASocket | undefined;
  private creds: AuthenticationCreds | undefined;
  private credsSaved: Promise<void> = Promise.resolve();
  private linking: Promise<void> = Promise.resolve();
  private begunEnd: SessionEnd | undefined;
  private codes: LinkCodes | undefined;
  private encryptions = 0;
  heard = 0;

  constructor(options: SessionOptions, caches: AccountCaches, listener: TransportListener) {
    this.options = options;
    this.caches = caches;
    this.listener = listener;
    this.retryAnswers = new RetryAnswers((id) => options.sent(id), options.logger);
    this.incoming = new Incoming({
      store: options.store,
      listener,
      secretOf: (inboundId) => options.secretOf(inboundId),
      unreadable: caches.unreadable,
      logger: options.logger,
      identity: () => this.identity(),
      mayAct: () => this.mayAct(),
      ack: async (stanza) => await this.sock?.sendMessageAck(stanza),
      fail: (why) => this.fail(why),
      notify: (call) => this.notify(call),
    });
    this.recipients = new Recipients({
      ...options,
      caches,
      listener,
      own: () => this.ownDevice(),
      orEnd: (work) => this.interrupts.orEnd(work),
    });
    this.timelock = new Timelock((until) => this.notify(() => listener.onFirstContacts(until)));
    this.watchdog = new Watchdog(options.connectTimeoutMs, (stage) => this.fail(`WhatsApp did not answer: ${stage}`));
  }

  /** Connects. An error ends the session after this has returned. */
  start(): void {
    try {
      if (!this.options.mayAct()) throw new Error('the lease on the account is over');
      this.connect();
    } catch (error) {
      void this.finish(ourEnd(redact(error instanceof Error ? error.message : String(error))));
    }
  }

  async send(message: Outgoing, ackTimeoutMs: number): Promise<Ack> {
    const ack = this.acks.expect(whatsappId(message.id));
    await this.sendAlone(async () => {
      await this.put(message, ack);
      // Without this a tight loop of sends would hold up incoming stanzas.
      await yieldToOthers();
    });
    const answer = await ack.within(ackTimeoutMs);
    if (answer.code === firstContactRefused) noteRefusal(this.options.store, message.to, this.options.nowMs());
    return answer;
  }

  ping(): Promise<void> | undefined {
    const loggedIn = this.state === 'open' || this.state === 'linking' || this.state === 'linked';
    return this.sock !== undefined && loggedIn && this.mayAct() ? this.pings.ask(this.sock) : undefined;
  }

  async typing(to: string, on: boolean): Promise<void> {
    if (!this.mayAct() || this.recipients.isUnchecked(to)) return;
    const address = jidOf(knownAddress(this.options.store, to));
    await this.sock?.sendPresenceUpdate(on ? 'composing' : 'paused', address).catch(() => {});
  }

  async lookup(to: string): Promise<boolean | undefined> {
    const { store, nowMs } = this.options;
    const known = to === this.phoneNumber() ? true : knownLookup(store, to, nowMs());
    const { sock } = this;
    if (known !== undefined || sock === undefined || this.state !== 'open' || !this.mayAct()) return known;
    const asked = this.recipients.learning(to, () => this.interrupts.orEnd(askLookup(sock, store, this.caches, to)));
    const answer = await asked.catch(() => undefined);
    if (answer === undefined && this.mayAct()) this.notify(() => this.listener.onQueryFailed());
    // The listener is asked before anything is shown to the person. If that fails, it is asked again before the message leaves.
    await this.recipients.mayWriteTo(to).catch(() => undefined);
    return answer;
  }

  personAt(to: string): Person {
    return personBehind(this.options.store, to);
  }

  hasChat(to: string): boolean {
    return to === this.phoneNumber() || hasChat(this.options.store, to, this.options.nowMs());
  }

  async firstContactsRefusedUntil(): Promise<number | undefined> {
    if (this.sock === undefined || this.state !== 'open' || !this.mayAct()) return undefined;
    return await this.timelock.ask(this.sock);
  }

  async requestPairingCode(phoneNumber: string): Promise<string> {
    if (this.options.store.registered()) throw new Error('the account is linked already');
    await this.codes?.ready;
    const { sock, codes } = this;
    const waits = this.state === 'linking' && this.mayAct();
    if (sock === undefined || codes === undefined || !waits) throw new Error('the session has ended');
    return await this.interrupts.orEnd(codes.pair(sock, phoneNumber));
  }

  async logout(): Promise<void> {
    if (this.sock === undefined || this.state !== 'open' || !this.mayAct()) return this.close();
    // Baileys ends the socket itself, with 401, once the stanza is out. If that fails, the session ends here.
    await this.sock.logout().catch(() => this.end(ourEnd()));
    await this.ended.promise;
  }

  async close(): Promise<void> {
    this.end(ourEnd());
    await this.ended.promise;
  }

  private connect(): void {
    const { store, logger, url, version, connectTimeoutMs } = this.options;
    // Credentials of a link that was never completed would log in as a device that does not exist.
    const creds = store.registered() ? (store.creds() as AuthenticationCreds) : initAuthCreds();
    this.creds = creds;
    const { qrTimeoutMs, nowMs } = this.options;
    const shown = (link: AccountLink) => this.notify(() => this.listener.onLink(link));
    const codes = new LinkCodes({ creds, qrTimeoutMs, nowMs, shown });
    this.codes = codes;
    this.state = 'connecting';
    this.watchdog.expect('connecting');
    const sock = connectSocket({
      url,
      version: version.current,
      creds,
      caches: this.caches,
      logger,
      connectTimeoutMs,
      qrTimeoutMs: codes.qrTimeoutMs,
      makeSignalRepository: durableRepository(store, {
        mayAct: () => this.mayAct(),
        beforeReceipt: (ciphertext, plaintext) => this.incoming.keep(ciphertext, plaintext),
        unreadable: (ciphertext) => this.incoming.unreadable(ciphertext),
        own: (work) => this.incoming.own(work),
        encrypted: () => {
          this.encryptions += 1;
        },
        credsSaved: () => this.credsSaved,
        fail: (why) => this.fail(why),
      }),
      contentFor: (id, device) => this.retryAnswers.takeContent(id, device),
      receiptTaken: (node) => this.takeReceipt(node),
      messageTaken: (node, handle) => this.incoming.take(node, handle),
      onHandlerFailed: (event, error) => this.handlerFailed(event, error),
      onUpgradeRefused: (status) => this.fail(`the upgrade was answered with HTTP ${status}`),
    });
    this.sock = sock;
    sock.ev.on('connection.update', (update) => this.updated(update));
    sock.ev.on('creds.update', () => this.saveCreds());
    sock.ws.on('frame', (frame: unknown) => this.received(frame));
    sock.ws.on('CB:ack,class:message', (node: BinaryNode) => {
      this.acks.take(node);
      this.recipients.acked(node);
    });
    sock.ws.on('CB:notification,type:companion_reg_refresh', () => this.whileLinking(() => this.codes?.renew()));
    sock.ws.on('CB:notification,type:passkey_prologue_request', () =>
      this.whileLinking(() => this.notify(() => this.listener.onPasskeyDemanded())),
    );
  }

  private updated(update: Partial<ConnectionState>): void {
    if (update.qr !== undefined) this.showCode(update.qr);
    if (update.isNewLogin === true) this.linking = this.linkedNow();
    if (update.connection === 'open' && this.state === 'connecting') {
      this.state = 'open';
      this.watchdog.stop();
      this.notify(() => this.listener.onOpen({ phoneNumber: this.phoneNumber() }));
      this.incoming.open();
    }
    if (update.receivedPendingNotifications === true) this.incoming.mark();
    this.timelock.take(update.reachoutTimeLock);
    if (update.connection === 'close') {
      void this.finish(sessionEnd(update.lastDisconnect?.error, this.creds?.account === undefined, this.begunEnd));
    }
  }

  private showCode(code: string): void {
    if (this.state === 'ended' || this.state === 'linked') return;
    this.state = 'linking';
    this.watchdog.stop();
    this.codes?.show(code);
  }

  private whileLinking(act: () => void): void {
    if (this.state === 'linking' && this.mayAct()) act();
  }

  private async linkedNow(): Promise<void> {
    this.state = 'linked';
    this.watchdog.expect('restart after linking');
    try {
      await this.saveCreds();
      this.notify(() => this.listener.onLinked({ phoneNumber: this.phoneNumber() }));
    } catch {
      this.fail('the credentials of the new link could not be made durable');
    }
  }

  /** Saves the credentials once the device is linked. Before that a code can be used only on the connection that has shown it. */
  private saveCreds(): Promise<void> {
    if (this.creds?.account === undefined) return Promise.resolve();
    this.credsSaved = this.options.store.saveCreds(this.creds);
    this.credsSaved.catch(() => {});
    return this.credsSaved;
  }

  private received(frame: unknown): void {
    if (!isNode(frame)) return;
    this.heard += 1;
    this.pings.take(frame);
    if (frame.tag === 'success') this.watchdog.expect('login');
    this.incoming.received(frame);
  }

  /** Hands receipts to the listener at once, in order. Acks a stanza when all of it is written. Resolves with a retry request to answer. */
  private async takeReceipt(node: BinaryNode): Promise<BinaryNode | undefined> {
    const known: KnownAddresses = (person) => addressesKnown(this.options.store, person);
    const request = retryRequestIn(node, this.identity(), known);
    if (request !== undefined) return await this.retryAnswers.answerable(request);
    await Promise.all(receiptsOf(node, this.identity(), known).map((receipt) => this.listener.onReceipt(receipt)));
    if (!this.mayAct()) throw new Error('the lease on the account is over');
    return undefined;
  }

  /** Puts one message on the wire, or gives the answer where the server names no device. Rejects with NotSent or Unanswered if no ack came. */
  private async put(message: Outgoing, ack: PendingAck) {
    const encryptionsBefore = this.encryptions;
    const id = whatsappId(message.id);
    try {
      if (this.sock === undefined || this.state !== 'open') throw new Error('the connection is not open');
      if (!this.mayAct()) throw new Error('the lease on the account is over');
      const { sock, recipients } = this;
      const address = await recipients.learning(message.to, () => recipients.addressWithDevices(sock, message));
      // Baileys sends an empty message when the server names no devices, and the server may accept it.
      if (address === undefined) return ack.answer({ code: noDevice });
      if (!(await recipients.mayWriteTo(message.to))) return ack.answer({ withheld: true });
      if (address !== message.to) ack.sentTo(address);
      recipients.expectHash(id, address);
      const stanza = stanzaOf(message.content);
      await this.interrupts.orEnd(sock.sendMessage(jidOf(address), stanza, { messageId: id }));
      message.onWire?.();
    } catch (cause) {
      if (ack.answered() !== undefined) return;
      ack.forget();
      const why = redact(cause instanceof Error ? cause.message : String(cause));
      // Baileys says this when it finds the socket closed before it writes.
      const left = this.encryptions > encryptionsBefore && why !== 'Connection Closed';
      throw left ? new Unanswered(why, { cause }) : new NotSent(why, { cause });
    }
  }

  private mayAct(): boolean {
    return this.state !== 'ended' && this.begunEnd === undefined && this.options.mayAct();
  }

  private identity(): Identity {
    return { id: this.creds?.me?.id ?? '', lid: this.creds?.me?.lid };
  }

  private ownDevice() {
    const { me } = this.creds ?? {};
    return { number: this.phoneNumber(), device: jidDecode(me?.id)?.device, lid: jidDecode(me?.lid)?.user };
  }

  private phoneNumber(): string {
    return jidDecode(this.creds?.me?.id)?.user ?? '';
  }

  private handlerFailed(event: string, error: unknown): void {
    const reason = redact(error instanceof Error ? error.message : String(error));
    this.options.logger.debug({ event: redact(event), reason }, 'a handler of Baileys has failed');
    if (event === 'message') this.fail('a frame could not be read');
  }

  /** Ends the session without a code, after a failure on this side or on the way. */
  private fail(detail: string): void {
    if (this.state === 'ended' || this.begunEnd !== undefined) return;
    this.options.logger.warn({ reason: detail }, 'the session ends itself');
    this.end(ourEnd(detail));
  }

  /** Ends the socket: nothing can be written to it after this returns. The session has ended when Baileys reports the close. */
  private end(end: SessionEnd): void {
    if (this.state === 'ended' || this.begunEnd !== undefined) return;
    this.begunEnd = end;
    if (this.sock === undefined) {
      void this.finish(end);
      return;
    }
    // Events that Baileys has buffered would be lost otherwise.
    this.sock.ev.flush();
    this.sock.end(undefined).catch(() => this.finish(end));
  }

  private async finish(end: SessionEnd): Promise<void> {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.interrupts.end();
    this.watchdog.stop();
    this.incoming.end();
    this.acks.end();
    this.codes?.end();
    await this.linking;
    await this.options.store.commit().catch(() => {});
    this.notify(() => this.listener.onClosed(end));
    this.ended.resolve();
  }

  /** Calls the listener. An error of the listener is logged and must not reach Baileys. */
  private notify(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.options.logger.warn({ reason: redact(String(error)) }, 'a listener has failed');
    }
  }
}
