import { type AuthenticationCreds, jidDecode } from '@whiskeysockets/baileys';
import type { AuthStore } from '../auth/store.ts';
import type { Transport } from '../transport.ts';
import type { SharedCaches } from './caches.ts';
import { keepDevices } from './kept-devices.ts';
import type { TransportLogger } from './redaction.ts';
import { BaileysSession } from './session.ts';
import { silenceLibsignal } from './silence.ts';
import { ClientVersion } from './version.ts';

export interface BaileysTransportOptions {
  /** Opened for the current epoch, a barrier put since the last session. The transport does not close it. */
  store: AuthStore;
  /** Shared by all accounts of the host. */
  caches: SharedCaches;
  /** Default WhatsApp's own. */
  url?: string | undefined;
  /** Shared by all accounts of the host; default Baileys' own version. */
  version?: ClientVersion;
  /** How long each QR code stays good; default 60 s. */
  qrTimeoutMs?: number;
  /** For each stage of connecting: handshake, login, restart after linking. */
  connectTimeoutMs: number;
  logger: TransportLogger;
  nowMs(): number;
  /** The lease: asked before every effect. */
  mayAct(): boolean;
}

/** WhatsApp through Baileys, for one account and one epoch, with one session at a time. */
export function baileysTransport(options: BaileysTransportOptions): Transport {
  silenceLibsignal();
  const { store, nowMs } = options;
  const caches = keepDevices(options.caches.of(store.prefix), store, nowMs);
  const version = options.version ?? new ClientVersion();
  return {
    open(listener) {
      const session = new BaileysSession({ ...options, version }, caches, listener);
      session.start();
      return session;
    },
    linkedNumber() {
      if (!store.registered()) return undefined;
      const { me } = store.creds() as AuthenticationCreds;
      return jidDecode(me?.id)?.user;
    },
  };
}
