import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import { semaphore } from '../../lib/runtime/mutex.ts';
import { openCache } from '../auth/cache.ts';
import type { Writer } from '../auth/object-writer.ts';
import { type AuthStore, openAuthStore } from '../auth/store.ts';
import { wipeUnopened } from '../auth/wipe.ts';
import type { HostDeps } from '../deps.ts';

/** The most accounts whose keys load at a time. A load takes several times the size of the keys, and the process keeps the memory. */
const loadsAtOnce = 4;

/** The keys of all linked devices of a host. */
export interface HostKeys {
  /** Opens the keys of an account. Rejects like `openAuthStore`. `head` is the highest segment that the account's item knows of. */
  open(hold: Hold, head: number | undefined, onFenced: (why: string) => void): Promise<AuthStore>;
  /** Removes keys that cannot be opened. Call this for an account that is to be logged out. */
  wipeUnopened(hold: Hold, head: number | undefined): Promise<void>;
  /** Returns true when the keys fill their share of the disk. */
  full(): boolean;
  close(): void;
}

export function hostKeys(deps: HostDeps): HostKeys {
  const { auth, clock, config, hostId, lease, metrics, nonce } = deps;
  mkdirSync(config.HOST_DATA_DIR, { recursive: true });
  const cache = openCache(join(config.HOST_DATA_DIR, `auth-${hostId}.sqlite`), {
    maxBytes: config.AUTH_CACHE_MB * 2 ** 20,
  });
  const loading = semaphore(loadsAtOnce);
  const writer = (hold: Hold): Writer & { prefix: string } => ({
    objects: auth,
    prefix: `${hold.tenantId}/${hold.accountId}/`,
    host: hostId,
    epoch: hold.epoch,
    mayWrite: () => lease.valid(),
    nowMs: () => clock.nowMs(),
    nonce,
  });
  return {
    open: (hold, head, onFenced) =>
      loading(() =>
        openAuthStore({
          ...writer(hold),
          writtenTo: head,
          cache,
          onFenced,
          onCommit: ({ bytes, ms }) => {
            metrics.authCommitSeconds.observe(ms / 1000);
            metrics.authCommitBytes.inc(bytes);
          },
        }),
      ),
    wipeUnopened: (hold, head) => wipeUnopened({ ...writer(hold), writtenTo: head }),
    full: () => cache.full(),
    close: () => cache.close(),
  };
}
