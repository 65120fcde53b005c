import type { Hold } from '../lib/aws/hosts/ownership.ts';
import type { Account, AccountLink } from '../lib/domain/accounts/account.ts';
import type { CloseReason } from '../lib/domain/accounts/disconnect.ts';
import type { InboundMessage } from '../lib/domain/inbound/inbound.ts';
import type { Person } from '../lib/domain/people/person.ts';
import type { Wire } from '../lib/sending/wire.ts';

export { type Ack, NotSent, type Outgoing, Unanswered } from '../lib/sending/wire.ts';

/**
 * The host's interface to messaging networks. A host has one `TransportFactory`, each of its accounts one `Transport`, and each connection one
 * `TransportSession`. Code on this side does not know what a transport stores for an account, nor how it encrypts (docs/adr/0023).
 * Ids of messages are Paceline's (`msg_..`); numbers are digits.
 */
export interface TransportFactory {
  /** Returns the transport of one account for one owner. Reads and writes nothing yet. */
  create(owner: TransportOwner): Transport;
  /** Returns true if the states of all accounts use all the space they may. The host then takes no further account. Takes microseconds. */
  full(): boolean;
  /** The client version that the host claims to be. Absent if the network has no client versions. */
  clientVersion?: ClientVersion;
  /** Releases what the transports share. Call it when the host ends and all its transports are closed. */
  close(): void;
}

export interface ClientVersion {
  /** Uses a version that a host learnt earlier, unless our own is newer. */
  use(version: string): void;
  /** Call this when the network refused our version (`client_outdated`). Learns and returns the current one. Rejects when it cannot be read. */
  refresh(): Promise<string>;
}

/** The owner of an account, as its transport sees it. */
export interface TransportOwner {
  hold: Hold;
  account(): Account;
  /** `Transport.stateHead` of the previous owner, from the account's item. */
  stateHead: number | undefined;
  /** Called when a write of the transport has shown that another host owns the account. */
  fenced(why: string): void;
}

/**
 * Connects one account to its network, for one owner. It keeps state between connections and has at most one session at a time.
 *
 *   closed -> prepare -> prepared -> open, for each connection after another `prepare`
 *                                 -> close, or forget -> closed
 */
export interface Transport {
  /**
   * Makes the state ready for one connection. The first call loads it. Each later call proves that no other owner has written since. Rejects
   * with StateDamaged or NoRoomForState.
   */
  prepare(): Promise<void>;
  /** Returns true if the account is linked. Loads the state if it is closed. Rejects like `prepare`. */
  isLinked(): Promise<boolean>;
  /** Returns the number that the account is linked with, from the loaded state; undefined if there is none. Asks no server. */
  linkedNumber(): string | undefined;
  /**
   * Starts connecting at once and calls `listener` for everything that happens. Network errors close the session; they are never thrown.
   * Returns undefined when the state is already closed.
   */
  open(listener: TransportListener): TransportSession | undefined;
  /** Resolves when everything that changed so far is durable. */
  save(): Promise<void>;
  /** Position up to which the state is durable; undefined without a state. It never falls. The next owner needs it to notice lost state. */
  readonly stateHead: number | undefined;
  /** Removes the state of an account that was logged out, even a damaged state. */
  forget(): Promise<void>;
  /** Saves unsaved changes if possible, and releases the state. `prepare` loads it again. */
  close(): Promise<void>;
}

/** Rejection of `Transport.prepare`: the state is damaged and is not used. Link the account again, or restore its state. */
export class StateDamaged extends Error {
  override name = 'StateDamaged';
}

/** Rejection of `Transport.prepare` and `save`: this host has no room for the account's state. Another host may have room. */
export class NoRoomForState extends Error {
  override name = 'NoRoomForState';
}

/** Callbacks of a session. None is called after `onClosed`. */
export interface TransportListener {
  /**
   * The account is not linked, and a code to link it with can be shown. `attempt` counts from 1 within this session. A code with the same
   * `attempt` as the previous code replaces it. From now on `requestPairingCode` can be called.
   */
  onLink(link: AccountLink): void;
  /** The account was linked, and the state is durable. The session ends next, with reason `restart`. */
  onLinked(identity: { phoneNumber: string }): void;
  /** The phone that used the code demands a passkey, which a session cannot give. Stop showing the code. */
  onPasskeyDemanded(): void;
  /** Logged in. Comes at most once a session. */
  onOpen(identity: { phoneNumber: string }): void;
  /** Everything that waited at the server while we were offline has been handled. Comes after `onOpen`, at most once a session. */
  onDrained(): void;
  /**
   * A message was delivered or read. `from` has the known addresses of the sender of the receipt, who need not be the recipient (`isRecipient`).
   * Calls come at once, in order. When this resolves, the transport acknowledges the receipt to the network. When this rejects, the network
   * repeats the receipt on the next connection.
   */
  onReceipt(receipt: { messageId: string; kind: 'delivered' | 'read'; at: number; from: string[] }): Promise<void>;
  /**
   * A person has written a message. Store it, with `secret` (32 bytes) if there is one: the transport reads `secret` when the person edits the
   * message. Resolve when both are durable. When this rejects, the session ends and the network delivers the message again.
   */
  onInbound(message: InboundMessage, secret?: Uint8Array): Promise<void>;
  /**
   * A message of a person could not be decrypted, for example because it had been decrypted before. `askedAgain`: the sender was asked to send it
   * again. With false, nothing more is done.
   */
  onUndecryptable(id: string, askedAgain: boolean): void;
  /**
   * A further address of a person has become known, just before a message to that person is sent. Resolve with true if the person may be
   * written to. With false the message is not sent (`Ack.withheld`).
   */
  onAddressesLearnt(person: Person & { phoneNumber: string }): Promise<boolean>;
  /** The network refuses messages to people without a chat until then (epoch ms; NaN: no time named). Undefined: it accepts them again. */
  onFirstContacts(refusedUntil: number | undefined): void;
  /** The network refused one of our queries, or did not answer it. The caller continues without the answer. */
  onQueryFailed(): void;
  /** The session has ended. Comes exactly once, last. */
  onClosed(end: SessionEnd): void;
}

/** The end of a session. Decide by `reason`; `code` is the network's own, for logs and metrics. `expireSec` is how long a restriction lasts. */
export interface SessionEnd {
  reason: CloseReason;
  code?: number;
  detail: string;
  expireSec?: number;
}

/** One connection. It is opened once, closes once, and is never reused. */
export interface TransportSession extends Wire {
  /** Number of stanzas received so far, of any kind. It rises while the connection works. */
  readonly heard: number;
  /**
   * Pings the server, which also keeps the connection open. Resolves when the server answers and rejects when it refuses. Never settles without
   * an answer. Returns undefined while no ping can be sent.
   */
  ping(): Promise<void> | undefined;
  /** Shows "typing" to the recipient. Never rejects. */
  typing(to: string, on: boolean): Promise<void>;
  /** Returns the known addresses of the person to whom a message goes (`to`). Asks no server. */
  personAt(to: string): Person;
  /** Returns true if the account has a chat with this person. Without one, a message is a first contact, which networks limit. Asks no server. */
  hasChat(to: string): boolean;
  /** Asks until when first contacts are refused (epoch ms). Returns undefined when the network names no time or does not answer. Never rejects. */
  firstContactsRefusedUntil(): Promise<number | undefined>;
  /** Returns a code to type on the phone with this number, once the network has accepted it. Rejects with PairingRefused otherwise. */
  requestPairingCode(phoneNumber: string): Promise<string>;
  /** Unlinks the account at the network and closes. */
  logout(): Promise<void>;
  /** Saves unsaved changes and closes. Resolves when nothing of the session runs any more. May be called twice. */
  close(): Promise<void>;
}

/** Rejection of `requestPairingCode`. `code` is the network's error code; undefined when the network did not answer. */
export class PairingRefused extends Error {
  override name = 'PairingRefused';
  readonly code: number | undefined;

  constructor(code: number | undefined, options?: ErrorOptions) {
    super(`no pairing code: ${code ?? 'no answer'}`, options);
    this.code = code;
  }
}
