import type { Account, AccountLink } from '../lib/domain/accounts/account.ts';
import type { Content } from '../lib/domain/content.ts';
import type { InboundMessage } from '../lib/domain/inbound/inbound.ts';
import type { Person } from '../lib/domain/people/person.ts';
import type { Ack, Outgoing, Wire } from '../lib/sending/wire.ts';
import type { AuthStore } from './auth/store.ts';

export { type Ack, NotSent, type Outgoing, Unanswered } from '../lib/sending/wire.ts';

/**
 * What an account needs of a messaging network, so that the account never sees Baileys. One `TransportSession` is one connection:
 * it is opened once, closes once, and is never reused. Ids are Paceline's (`msg_..`), numbers are digits.
 */
export interface Transport {
  /** Starts connecting at once; what happens is told through `listener`. Never throws for network reasons: those close the session. */
  open(listener: TransportListener): TransportSession;
  /** The number of the phone that is linked, by its keys; undefined where none is. Asks nobody. */
  linkedNumber(): string | undefined;
}

export interface TransportListener {
  /**
   * A new QR code to show; `attempt` counts from 1 within this session. One with the attempt of the one before takes its place, which cannot
   * be used any more. Pairing codes come from `requestPairingCode`.
   */
  onLink(link: AccountLink): void;
  /** Linked: the credentials are durable. WhatsApp now asks for a restart (onClosed with code 515). */
  onLinked(identity: { phoneNumber: string }): void;
  /** Logged in. */
  onOpen(identity: { phoneNumber: string }): void;
  /** Everything that waited at the server while we were away has been handled. At most once a session, after onOpen. */
  onDrained(): void;
  /**
   * Somebody says that a message was delivered or read; `from` are the giver's known addresses, who need not be its recipient (see
   * `isRecipient`). The network is told that we have it once this resolves; when it rejects, the next connection gets the receipt again. Told
   * at once, in order.
   */
  onReceipt(receipt: { messageId: string; kind: 'delivered' | 'read'; at: number; from: string[] }): Promise<void>;
  /**
   * Awaited before the receipt goes out: when it rejects, the session ends unreceipted and WhatsApp delivers again. `secret` (32 bytes) opens
   * what the person encrypts about this message later; keep it for `secretOf`.
   */
  onInbound(message: InboundMessage, secret?: Uint8Array): Promise<void>;
  /** The secret that came with the inbound message of this WhatsApp id, or undefined when unknown. */
  secretOf(inboundId: string): Promise<Uint8Array | undefined>;
  /**
   * A message of somebody could not be read. One that comes twice cannot be read the second time. `askedAgain`: the sender is asked for it;
   * false: nothing more is done, because asking cannot help or the sender has had too many like it.
   */
  onUndecryptable(id: string, askedAgain: boolean): void;
  /**
   * Before the first message to a number goes out: its LID has become known, or another number that WhatsApp answers with. False: the person is
   * not to be written to, and the message stays here.
   */
  onAddressesLearnt(person: Person & { phoneNumber: string }): Promise<boolean>;
  /** Somebody's device asks for a message again: what this account has sent under this id and to whom, undefined when unknown. */
  sent(messageId: string): Promise<Sent | undefined>;
  /** Exactly once, the last thing a session says. */
  onClosed(end: SessionEnd): void;
  /** The network refused a question of ours, or did not answer it; what was asked goes on without the answer. */
  onQueryFailed(): void;
  /** Unasked: first contacts are refused until then (epoch ms; NaN where no time is named), or taken again (undefined). */
  onFirstContacts(refusedUntil: number | undefined): void;
  /** The phone that has used the code wants a passkey of us, which no session can give: the code is of no use. */
  onPasskeyDemanded(): void;
}

/** `code` is WhatsApp's closing reason (lib/domain/accounts/disconnect.ts); undefined: closed by us. */
export interface SessionEnd {
  code?: number;
  detail: string;
  expireSec?: number;
}

/** What was sent to a number (digits), and the address that WhatsApp knows the number by where that is another one. */
export interface Sent {
  to: string;
  sentTo?: string;
  content: Content;
}

/** Rejection of `requestPairingCode`: refused with WhatsApp's error code, or not answered (undefined). */
export class PairingRefused extends Error {
  override name = 'PairingRefused';
  readonly code: number | undefined;

  constructor(code: number | undefined, options?: ErrorOptions) {
    super(`no pairing code: ${code ?? 'no answer'}`, options);
    this.code = code;
  }
}

export interface TransportSession extends Wire {
  /** How many things have come from the server so far, of whatever kind: it rises while the line lives. */
  readonly heard: number;
  /**
   * Asks the server for a sign of life, which also keeps the line open: the transport does not do so by itself. Undefined while the
   * connection is not so far. Resolves when the server has answered, rejects when it refuses, never settles if it does not answer.
   */
  ping(): Promise<void> | undefined;
  /**
   * Encrypts, makes the advanced session durable, puts the stanza on the wire and waits for the server's ack, at most `ackTimeoutMs`.
   * `onWire` is told when the stanza has gone. Rejects with NotSent (nothing left this process) or Unanswered (it may have).
   */
  send(message: Outgoing, ackTimeoutMs: number): Promise<Ack>;
  /** Shows "typing" to the recipient; a courtesy, never fails. */
  typing(to: string, on: boolean): Promise<void>;
  /**
   * Is the number on WhatsApp? Answers are kept with the account's keys, and with them the address to which messages for the number go;
   * undefined: the server did not say.
   */
  lookup(to: string): Promise<boolean | undefined>;
  /** The LID behind a number, where it is known; asks nobody. */
  lidOf(to: string): string | undefined;
  /** Whether a message to this number is no first contact, for which WhatsApp has a limit of its own; asks nobody. */
  hasChat(to: string): boolean;
  /** Asks until when (epoch ms) first contacts are refused; undefined when the network names no time or does not answer. Never rejects. */
  firstContactsRefusedUntil(): Promise<number | undefined>;
  /** Another number that WhatsApp has answered with for this one, unless it is a spelling of it; asks nobody. */
  otherNumberOf(to: string): string | undefined;
  /** An eight-character code to be typed on the phone with this number, once WhatsApp has accepted it. Rejects with PairingRefused if not. */
  requestPairingCode(phoneNumber: string): Promise<string>;
  /** Unlinks the device at WhatsApp and closes. */
  logout(): Promise<void>;
  /** Flushes buffered events and uncommitted keys, ends the socket, resolves when nothing of it is left. Safe to call twice. */
  close(): Promise<void>;
}

/** Makes transports for a host's accounts; the host knows no network by name. */
export interface TransportFactory {
  create(store: AuthStore, account: Account, mayAct: () => boolean): Transport;
  /** The network refused our client as too old: learns the present version, and answers it. */
  refreshVersion(): Promise<string>;
  /** A version that a host learnt before: used from now on, unless our own is newer. */
  useVersion(version: string): void;
}
