import type { Clock } from '../../lib/runtime/clock.ts';
import type { HostConfig } from '../../lib/runtime/config.ts';
import type { TransportFactory } from '../transport.ts';
import { sharedCaches } from './caches.ts';
import type { TransportLogger } from './redaction.ts';
import { trustRootKey } from './root-key.ts';
import { checkSignaturesNatively } from './signatures.ts';
import { baileysTransport } from './transport.ts';
import { ClientVersion } from './version.ts';

/** For each stage of connecting. */
const connectTimeoutMs = 20_000;

/** WhatsApp for all accounts of a host: shared caches, one client version, one trusted root key. */
export function whatsappTransports(config: HostConfig, logger: TransportLogger, clock: Clock): TransportFactory {
  if (config.WHATSAPP_ROOT_KEY !== undefined) trustRootKey(config.WHATSAPP_ROOT_KEY, config.STAGE);
  checkSignaturesNatively();
  const caches = sharedCaches(() => clock.nowMs());
  const version = new ClientVersion();
  return {
    create: (store, _account, mayAct) =>
      baileysTransport({
        store,
        caches,
        url: config.WHATSAPP_URL,
        version,
        connectTimeoutMs,
        logger,
        nowMs: () => clock.nowMs(),
        mayAct,
      }),
    refreshVersion: async () => {
      await version.refreshVersion();
      return version.current.join('.');
    },
    useVersion: (known) => version.use(known),
  };
}
