import type { Hold } from '../lib/aws/hosts/ownership.ts';
import type { Account, AccountLink } from '../lib/domain/accounts/account.ts';
import type { CloseReason } from '../lib/domain/accounts/disconnect.ts';
import type { InboundMessage } from '../lib/domain/inbound/inbound.ts';
import type { Person } from '../lib/domain/people/person.ts';
import type { Wire } from '../lib/sending/wire.ts';

export { type Ack, NotSent, type Outgoing, Unanswered } from '../lib/sending/wire.ts';

/**
 * The host's border to messaging networks. A host has one `TransportFactory`, each account that it owns one `Transport`, and each connection
 * one `TransportSession`. Nothing on this side of the border knows what a transport keeps of an account, nor how it encrypts (docs/adr/0023).
 * Ids of messages are Paceline's (`msg_..`); numbers are digits.
 */
export interface TransportFactory {
  /** Returns the transport of one account for one owner. Reads and writes nothing yet. */
  create(owner: TransportOwner): Transport;
  /** Whether what the accounts keep takes all the room it may: the host takes no further account then. Takes microseconds. */
  full(): boolean;
  /** The version of the client that the host claims to be. Transports whose network knows no such thing leave this out. */
  clientVersion?: ClientVersion;
  /** The host ends, and all its transports are closed. */
  close(): void;
}

export interface ClientVersion {
  /** A version that a host learnt before: used from now on, unless our own is newer. */
  use(version: string): void;
  /** The network refused our version (`client_outdated`): learns the present one and returns it. Rejects when it cannot be read. */
  refresh(): Promise<string>;
}

/** Whose transport it is. */
export interface TransportOwner {
  hold: Hold;
  account(): Account;
  /** `Transport.stateHead` of the owner before, as the account's item tells it. */
  stateHead: number | undefined;
  /** Called when a write of the transport has shown that another host owns the account. */
  fenced(why: string): void;
}

/**
 * One account's way to its network, for one owner: the state that it keeps between connections, and at most one session at a time.
 *
 *   closed -> prepare -> prepared -> open, for each connection after another `prepare`
 *                                 -> close, or forget -> closed
 */
export interface Transport {
  /**
   * Makes the state ready for one connection. The first time it is loaded; each further time it is proved that no other owner has written
   * since. Rejects with StateDamaged or NoRoomForState.
   */
  prepare(): Promise<void>;
  /** Resolves with whether the account is linked; loads the state where it is closed. Rejects like `prepare`. */
  isLinked(): Promise<boolean>;
  /** The number that the account is linked with, by the loaded state; undefined where there is none. Asks no server. */
  linkedNumber(): string | undefined;
  /**
   * Starts connecting at once and tells `listener` of everything that happens. Network errors close the session; none is thrown. Returns
   * undefined when the state is closed by now.
   */
  open(listener: TransportListener): TransportSession | undefined;
  /** Resolves when everything that changed so far is durable. */
  save(): Promise<void>;
  /** How far the state is durable. It never falls; hand it to the next owner, who would notice a loss by it. Undefined: there is no state. */
  readonly stateHead: number | undefined;
  /** The account is logged out: removes the state, also one that is damaged. */
  forget(): Promise<void>;
  /** Saves what is left, if that is possible, and lets go of the state. `prepare` loads it anew. */
  close(): Promise<void>;
}

/** Rejection of `Transport.prepare`: the state is damaged, and is not used. The account has to be linked again, or its state restored. */
export class StateDamaged extends Error {
  override name = 'StateDamaged';
}

/** Rejection of `Transport.prepare` and `save`: this host has no room for the account's state, another one may have. */
export class NoRoomForState extends Error {
  override name = 'NoRoomForState';
}

/** What a session tells. Nothing is told after `onClosed`. */
export interface TransportListener {
  /**
   * The account is not linked, and a code to link it with can be shown. `attempt` counts from 1 within this session; a code with the attempt of
   * the one before replaces that one. From now on `requestPairingCode` can be called.
   */
  onLink(link: AccountLink): void;
  /** The account is linked, and the state is durable. The session ends next, with reason `restart`. */
  onLinked(identity: { phoneNumber: string }): void;
  /** The phone that used the code demands what no session can give. Take the code down. */
  onPasskeyDemanded(): void;
  /** Logged in. Comes at most once a session. */
  onOpen(identity: { phoneNumber: string }): void;
  /** Everything that waited at the server while we were away has been handled. Comes after `onOpen`, at most once a session. */
  onDrained(): void;
  /**
   * A message was delivered or read. `from` holds the known addresses of the receipt's giver, who need not be the recipient (`isRecipient`).
   * Receipts are told at once, in order. The network hears that we have the receipt when this resolves; it repeats the receipt on the next
   * connection when this rejects.
   */
  onReceipt(receipt: { messageId: string; kind: 'delivered' | 'read'; at: number; from: string[] }): Promise<void>;
  /**
   * A person has written. Store the message, with `secret` (32 bytes) if there is one: the transport reads that again when the person edits the
   * message. Resolve when both are durable. When this rejects, the session ends, and the network delivers the message again.
   */
  onInbound(message: InboundMessage, secret?: Uint8Array): Promise<void>;
  /**
   * A message of a person could not be read. One that had been read before cannot be read a second time. `askedAgain`: the sender was asked to
   * repeat it; false: nothing more is done.
   */
  onUndecryptable(id: string, askedAgain: boolean): void;
  /**
   * A further address of a person has become known, and a message to that person goes out next. Resolve with whether the person may be written
   * to; with false the message stays here (`Ack.withheld`).
   */
  onAddressesLearnt(person: Person & { phoneNumber: string }): Promise<boolean>;
  /** Until then (epoch ms) messages to people without a chat are refused; NaN where no time is named, undefined when they are taken again. */
  onFirstContacts(refusedUntil: number | undefined): void;
  /** The network refused a question of ours, or did not answer it. What was asked goes on without the answer. */
  onQueryFailed(): void;
  /** The session has ended. Comes exactly once, last. */
  onClosed(end: SessionEnd): void;
}

/** Why a session has ended. Decide by `reason`; `code` is the network's own, for logs and counts. `expireSec`: how long a restriction lasts. */
export interface SessionEnd {
  reason: CloseReason;
  code?: number;
  detail: string;
  expireSec?: number;
}

/** One connection. It is opened once, closes once, and is never reused. */
export interface TransportSession extends Wire {
  /** How many things have come from the server so far, of any kind. It rises while the connection lives. */
  readonly heard: number;
  /**
   * Asks the server for a sign of life, which also keeps the connection open. Resolves when the server has answered, rejects when it refuses, never
   * settles if it does not answer. Undefined while there is nothing to ask.
   */
  ping(): Promise<void> | undefined;
  /** Shows "typing" to the recipient. Never rejects. */
  typing(to: string, on: boolean): Promise<void>;
  /** Returns what is known of the person behind a message's address (`to`). Asks no server. */
  personAt(to: string): Person;
  /** Whether the account has a chat with this person: a message is no first contact then, which networks limit. Asks no server. */
  hasChat(to: string): boolean;
  /** Asks until when (epoch ms) first contacts are refused. Undefined when the network names no time or does not answer. Never rejects. */
  firstContactsRefusedUntil(): Promise<number | undefined>;
  /** Asks for a code to be typed on the phone with this number. Resolves when the network takes the code; rejects with PairingRefused if not. */
  requestPairingCode(phoneNumber: string): Promise<string>;
  /** Unlinks the account at the network and closes. */
  logout(): Promise<void>;
  /** Saves what is left and closes. Resolves when nothing of the session is left. May be called twice. */
  close(): Promise<void>;
}

/** Rejection of `requestPairingCode`: refused with the network's error code, or not answered (undefined). */
export class PairingRefused extends Error {
  override name = 'PairingRefused';
  readonly code: number | undefined;

  constructor(code: number | undefined, options?: ErrorOptions) {
    super(`no pairing code: ${code ?? 'no answer'}`, options);
    this.code = code;
  }
}
