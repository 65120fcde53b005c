import { DEFAULT_CONNECTION_CONFIG, fetchLatestWaWebVersion, type WAVersion } from '@whiskeysockets/baileys';

/** The WhatsApp web version this host claims to be: Baileys' own, until WhatsApp answers 405 and it has to be asked for. */
export class ClientVersion {
  private version: WAVersion = DEFAULT_CONNECTION_CONFIG.version;
  private readonly fetchLatest: () => Promise<WAVersion>;

  /** `fetchLatest` defaults to reading WhatsApp's web page. */
  constructor(fetchLatest: () => Promise<WAVersion> = latestFromWeb) {
    this.fetchLatest = fetchLatest;
  }

  get current(): WAVersion {
    return this.version;
  }

  /** Asks for the newest version, once for all accounts that ask at the same time. False: it is the one already in use. */
  async refreshVersion(): Promise<boolean> {
    const before = this.version.join('.');
    this.refreshing ??= this.fetchLatest().finally(() => {
      this.refreshing = undefined;
    });
    this.version = await this.refreshing;
    return this.version.join('.') !== before;
  }

  private refreshing: Promise<WAVersion> | undefined;
}

async function latestFromWeb(): Promise<WAVersion> {
  const { version, error } = await fetchLatestWaWebVersion();
  // On a failure Baileys answers with its own version, which is the one that was refused.
  if (error !== undefined) throw new Error('the current WhatsApp version could not be read', { cause: error });
  return version;
}
