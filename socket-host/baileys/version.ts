import { DEFAULT_CONNECTION_CONFIG, fetchLatestWaWebVersion, type WAVersion } from '@whiskeysockets/baileys';

/** The longest wait for the version. An account that was refused waits for it before anything else, also in a drain of its host. */
const standardTimeoutMs = 10_000;

/** The WhatsApp web version this host claims to be: Baileys' own, until WhatsApp answers 405 and it has to be asked for. */
export class ClientVersion {
  private version: WAVersion = DEFAULT_CONNECTION_CONFIG.version;
  private readonly fetchLatest: (signal: AbortSignal) => Promise<WAVersion>;
  private readonly timeoutMs: number;

  /** `fetchLatest` defaults to reading WhatsApp's web page; it ends when the signal fires, after `timeoutMs` (default 10 s). */
  constructor(fetchLatest = latestFromWeb, timeoutMs = standardTimeoutMs) {
    this.fetchLatest = fetchLatest;
    this.timeoutMs = timeoutMs;
  }

  get current(): WAVersion {
    return this.version;
  }

  /** Takes a version that a host has read before (`2.3000.1234567`), unless the present one is newer: this host may be an upgraded one. */
  use(known: string): void {
    const [major, minor, patch, ...more] = known.split('.').map(Number);
    if (major === undefined || minor === undefined || patch === undefined || more.length > 0) return;
    const version: WAVersion = [major, minor, patch];
    if (version.every(Number.isSafeInteger) && isNewer(version, this.version)) this.version = version;
  }

  /** Asks for the newest version, once for all callers of the moment. Returns false when it is in use already. Throws when it cannot be read. */
  async refreshVersion(): Promise<boolean> {
    const before = this.version.join('.');
    this.refreshing ??= this.fetchLatest(AbortSignal.timeout(this.timeoutMs)).finally(() => {
      this.refreshing = undefined;
    });
    this.version = await this.refreshing;
    return this.version.join('.') !== before;
  }

  private refreshing: Promise<WAVersion> | undefined;
}

function isNewer(one: WAVersion, other: WAVersion): boolean {
  const at = one.findIndex((part, index) => part !== other[index]);
  return at >= 0 && (one[at] ?? 0) > (other[at] ?? 0);
}

async function latestFromWeb(signal: AbortSignal): Promise<WAVersion> {
  const { version, error } = await fetchLatestWaWebVersion({ signal });
  // After a failure Baileys returns its own version, which is the one that was refused.
  if (error !== undefined) throw new Error('the current WhatsApp version could not be read', { cause: error });
  return version;
}
