import { type AuthenticationCreds, jidDecode } from '@whiskeysockets/baileys';
import type { Sent } from '../../lib/aws/messages/messages.ts';
import { AuthCorrupt } from '../auth/errors.ts';
import type { AuthStore } from '../auth/store.ts';
import type { Transport, TransportListener, TransportSession } from '../transport.ts';
import type { SharedCaches } from './caches.ts';
import type { TransportLogger } from './redaction.ts';
import type { ClientVersion } from './version.ts';

/** Everything that one connection of a linked device needs. */
export interface ConnectOptions {
  /** The account's keys, opened for the current epoch, with a barrier put since the last session. The session does not close them. */
  store: AuthStore;
  /** Shared by all accounts of the host. */
  caches: SharedCaches;
  /** Default: the address of WhatsApp. */
  url?: string | undefined;
  /** Shared by all accounts of the host; default Baileys' own version. */
  version?: ClientVersion;
  /** The life of each QR code; default 60 s. */
  qrTimeoutMs?: number;
  /** The limit for each stage of connecting: handshake, login, restart after linking. */
  connectTimeoutMs: number;
  logger: TransportLogger;
  nowMs(): number;
  /** Returns whether this host may still act for the account. Ask before every effect. */
  mayAct(): boolean;
  /** Returns the message that the account sent under an id, for a device that asks for it again; undefined: none, or too long ago. */
  sent(messageId: string): Promise<Sent | undefined>;
  /** Returns the secret that came with an inbound message; undefined where there was none, or it is too old. */
  secretOf(inboundId: string): Promise<Uint8Array | undefined>;
}

/** Everything that a linked device needs from its host, for one account and one owner. */
export interface LinkedDeviceNeeds {
  /** The highest segment of the keys that the account's item knows of; undefined where there were no keys. */
  head: number | undefined;
  /** Loads the keys and puts this owner's barrier. Rejects like `openAuthStore`. */
  openKeys(head: number | undefined): Promise<AuthStore>;
  /** Removes keys that cannot be loaded. */
  wipeUnopened(head: number | undefined): Promise<void>;
  /** Begins a connection over these keys. */
  connect(store: AuthStore, listener: TransportListener): TransportSession;
}

/** A transport whose state is the keys of a linked device, as socket-host/auth keeps them. */
export class LinkedDevice implements Transport {
  private readonly needs: LinkedDeviceNeeds;
  private store: AuthStore | undefined;
  /** The keys that were loaded last. They may be closed by now. */
  private lastStore: AuthStore | undefined;

  constructor(needs: LinkedDeviceNeeds) {
    this.needs = needs;
  }

  get stateHead(): number | undefined {
    return this.lastStore?.head ?? this.needs.head;
  }

  async prepare(): Promise<void> {
    // Loading puts a barrier, which serves the first connection.
    if (this.store === undefined) await this.load();
    else await this.store.barrier();
  }

  async isLinked(): Promise<boolean> {
    return (await this.load()).registered();
  }

  linkedNumber(): string | undefined {
    if (this.store?.registered() !== true) return undefined;
    const { me } = this.store.creds() as AuthenticationCreds;
    return jidDecode(me?.id)?.user;
  }

  open(listener: TransportListener): TransportSession | undefined {
    return this.store === undefined ? undefined : this.needs.connect(this.store, listener);
  }

  async save(): Promise<void> {
    await this.store?.commit();
  }

  async forget(): Promise<void> {
    try {
      const store = await this.load();
      await store.wipe();
    } catch (error) {
      if (!(error instanceof AuthCorrupt) || this.store !== undefined) throw error;
      await this.needs.wipeUnopened(this.stateHead);
    }
    this.store = undefined;
  }

  async close(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    await store?.close();
  }

  private async load(): Promise<AuthStore> {
    if (this.store !== undefined) return this.store;
    const store = await this.needs.openKeys(this.stateHead);
    this.store = store;
    this.lastStore = store;
    return store;
  }
}
