import { decodeValue, encodeValue, type KeyRecord } from './encoding.ts';
import { type JournalOptions, openJournal } from './journal.ts';

/** The linked-device state of one account, for its owner of one epoch. socket-host/auth/journal.ts says when a change is durable. */
export interface AuthStore {
  /** `<tenant>/<account>/` */
  readonly prefix: string;
  /** The number of the newest segment in S3. It stays when the store is closed. */
  readonly head: number;
  /** Returns the credentials of the account as they were last saved, a new object each time; undefined before linking. */
  creds(): unknown;
  /**
   * Marks the whole object as changed and commits it at once, with its values at the time of the commit. Resolves when it is durable. Callers need
   * not await that.
   */
  saveCreds(creds: object): Promise<void>;
  /** Returns true once the device is linked: the credentials hold the identity that the phone has signed. */
  registered(): boolean;
  get(type: string, id: string): unknown;
  /** Changes keys; `undefined` and `null` delete. Resolves when the change is durable for types in `durableOnSet`, at once for the others. */
  set(data: KeyChanges): Promise<void>;
  /** Resolves when everything changed so far is in S3. Rejects with AuthUnavailable, AuthCacheFull, AuthFenced or AuthDiscarded. */
  commit(): Promise<void>;
  /**
   * Puts one more segment, which proves that no other owner has written since. Call this before every connection except the first: opening the store
   * has put a barrier for that one. Rejects with AuthFenced or AuthUnavailable.
   */
  barrier(): Promise<void>;
  /** Returns the number of changes that no commit has taken up yet. */
  pending(): number;
  /** Drops changes that no commit has taken up yet. Commits that wait for them reject with AuthDiscarded. */
  discard(): void;
  getLookup(number: string): Lookup | undefined;
  setLookup(number: string, onWhatsApp: boolean, address?: string): void;
  /**
   * Call this after a logout. Forgets all keys, removes the objects and closes the store. Segment numbers continue, so an earlier owner finds its
   * next number taken.
   */
  wipe(): Promise<void>;
  /** Commits the remaining changes if possible, then drops the account from the cache. Never rejects. */
  close(): Promise<void>;
  readonly stats: { puts: number; bytes: number };
}

/**
 * An answer to "is this number on WhatsApp" with its time (epoch ms). `address` is the number (digits) that WhatsApp answered with, which may be
 * another. Earlier versions did not keep it.
 */
export interface Lookup {
  onWhatsApp: boolean;
  at: number;
  address?: string;
}

export interface KeyChanges {
  [type: string]: Record<string, unknown> | undefined;
}

export type AuthStoreOptions = JournalOptions;

/** Changes that no commit was asked for are written after this time. */
const rideAlongMs = 400;
/**
 * Changes that WhatsApp can be asked for again wait so long for a commit of other changes. Alone they are not worth a PUT, which a paced account
 * would otherwise make in each of its rests of up to two minutes.
 */
const askedAgainMs = 10 * 60_000;
/** Types that are kept in the cache and never in S3. They are made again from WhatsApp's answers when missing. */
const recreatable: ReadonlySet<string> = new Set(['device-list', 'sender-key-memory', 'app-state-sync-version']);
/** Types that `set` commits before it resolves, because WhatsApp or another device acts on them next. A contact's new trust token counts too. */
const durableOnSet: ReadonlySet<string> = new Set(['pre-key', 'app-state-sync-key', 'sender-key']);
const credsType = 'creds';
const lookupType = 'lookup';
const askedAgain: ReadonlySet<string> = new Set([lookupType, 'asked', 'lid-mapping', 'tctoken', 'devices']);

/**
 * Loads the account and puts the barrier of this owner. Throws AuthCorrupt (an object is damaged or missing; nothing is loaded), AuthFenced (a
 * later owner has written, or the lease is over) or AuthCacheFull.
 */
export async function openAuthStore(options: AuthStoreOptions): Promise<AuthStore> {
  const { cache, nowMs } = options;
  const journal = await openJournal(options, recreatable);

  function note(type: string, id: string, value: unknown): void {
    const bytes = encoded(value);
    journal.note(type, id, () => bytes);
    journal.rideAlong(askedAgain.has(type) ? askedAgainMs : rideAlongMs);
  }

  const store: AuthStore = {
    prefix: options.prefix,
    get head() {
      return journal.head;
    },
    stats: journal.stats,
    commit: journal.commit,
    pending: journal.pending,
    discard: journal.discard,
    wipe: journal.wipe,
    close: journal.close,
    creds() {
      return decoded(journal.read(credsType, ''));
    },
    saveCreds(creds) {
      journal.note(credsType, '', () => encodeValue(creds));
      const saved = journal.commit();
      saved.catch(() => journal.rideAlong(rideAlongMs));
      return saved;
    },
    registered() {
      const creds = store.creds();
      return typeof creds === 'object' && creds !== null && 'account' in creds && 'me' in creds;
    },
    get(type, id) {
      return decoded(journal.read(type, id));
    },
    async set(data) {
      journal.assertOpen();
      let mustWait = false;
      for (const [type, values] of Object.entries(data)) {
        const entries = Object.entries(values ?? {});
        if (recreatable.has(type)) {
          const records = entries.map(([id, value]): KeyRecord => ({ type, id, value: encoded(value) }));
          cache.apply(journal.account, records);
          continue;
        }
        // The notification with the token is acked next, and WhatsApp does not send it again.
        mustWait ||= type === 'tctoken' && entries.some(([id, value]) => bringsToken(value, store.get(type, id)));
        for (const [id, value] of entries) note(type, id, value);
        mustWait ||= durableOnSet.has(type) && entries.length > 0;
      }
      if (mustWait) await journal.commit();
    },
    async barrier() {
      journal.assertOpen();
      journal.note('barrier', '', () => undefined);
      await journal.commit();
    },
    getLookup(number) {
      const found = store.get(lookupType, number);
      if (typeof found !== 'object' || found === null || !('at' in found) || !('on' in found)) return undefined;
      const address = 'as' in found ? { address: String(found.as) } : {};
      return { onWhatsApp: found.on === true, at: Number(found.at), ...address };
    },
    setLookup(number, onWhatsApp, address) {
      note(lookupType, number, { on: onWhatsApp, at: nowMs(), ...(address === undefined ? {} : { as: address }) });
    },
  };
  return store;
}

/** Returns whether an entry of type `tctoken` holds a new token of a contact. The time at which the account sent its own does not count. */
function bringsToken(value: unknown, known: unknown): boolean {
  const token = tokenOf(value);
  return token !== undefined && token.length > 0 && tokenOf(known)?.equals(token) !== true;
}

function tokenOf(entry: unknown): Buffer | undefined {
  if (typeof entry !== 'object' || entry === null || !('token' in entry)) return undefined;
  return entry.token instanceof Uint8Array ? Buffer.from(entry.token) : undefined;
}

function encoded(value: unknown): Uint8Array | undefined {
  return value === undefined || value === null ? undefined : encodeValue(value);
}

function decoded(bytes: Uint8Array | undefined): unknown {
  return bytes === undefined ? undefined : decodeValue(bytes);
}
