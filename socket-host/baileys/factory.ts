import { readSecret } from '../../lib/aws/inbound/inbound.ts';
import { readSent } from '../../lib/aws/messages/messages.ts';
import type { HostConfig } from '../../lib/runtime/config.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportFactory, TransportListener, TransportSession } from '../transport.ts';
import { sharedCaches } from './caches.ts';
import { keepDevices } from './kept-devices.ts';
import { hostKeys } from './keys.ts';
import { trustRootKey } from './root-key.ts';
import { BaileysSession } from './session.ts';
import { checkSignaturesNatively } from './signatures.ts';
import { silenceLibsignal } from './silence.ts';
import { type ConnectOptions, LinkedDevice } from './transport.ts';
import { ClientVersion } from './version.ts';

/** The limit for each stage of connecting. */
const connectTimeoutMs = 20_000;

/**
 * Returns the transport of linked devices for all accounts of a host: one cache of keys, shared caches, one client version, one trusted root key.
 * Throws at once where the root key must not be replaced. Everything else is created when the host is known.
 */
export function whatsappTransports(config: HostConfig): (host: HostDeps) => TransportFactory {
  if (config.WHATSAPP_ROOT_KEY !== undefined) trustRootKey(config.WHATSAPP_ROOT_KEY, config.STAGE);
  checkSignaturesNatively();
  return (host) => {
    const { clock, lease, logger, table } = host;
    const nowMs = () => clock.nowMs();
    const mayAct = () => lease.valid();
    const keys = hostKeys(host);
    const caches = sharedCaches(nowMs);
    const version = new ClientVersion();
    const shared = { caches, url: config.WHATSAPP_URL, version, connectTimeoutMs, logger, nowMs, mayAct };
    return {
      create: ({ hold, stateHead, fenced }) =>
        new LinkedDevice({
          head: stateHead,
          openKeys: (head) => keys.open(hold, head, fenced),
          wipeUnopened: (head) => keys.wipeUnopened(hold, head),
          connect: (store, listener) =>
            connectDevice(
              {
                ...shared,
                store,
                sent: (messageId) => readSent(table, hold.tenantId, hold.accountId, messageId),
                secretOf: (inboundId) => readSecret(table, hold, inboundId),
              },
              listener,
            ),
        }),
      full: () => keys.full(),
      clientVersion: {
        use: (known) => version.use(known),
        refresh: async () => {
          await version.refreshVersion();
          return version.current.join('.');
        },
      },
      close: () => keys.close(),
    };
  };
}

/** Begins a connection of a linked device, and returns its session. An error ends the session after this has returned. */
export function connectDevice(options: ConnectOptions, listener: TransportListener): TransportSession {
  silenceLibsignal();
  const { store, nowMs, version = new ClientVersion() } = options;
  const caches = keepDevices(options.caches.of(store.prefix), store, nowMs);
  const session = new BaileysSession({ ...options, version }, caches, listener);
  session.start();
  return session;
}
