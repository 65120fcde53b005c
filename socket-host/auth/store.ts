import { decodeValue, encodeValue, type KeyRecord } from './encoding.ts';
import { type JournalOptions, openJournal } from './journal.ts';

/** The linked-device state of one account, for its owner of one epoch. What is durable when: socket-host/auth/journal.ts. */
export interface AuthStore {
  /** `<tenant>/<account>/` */
  readonly prefix: string;
  /** The number of the newest segment in S3; it stands when the store is closed. */
  readonly head: number;
  /** The account's credentials as they were last saved, a fresh object each time; undefined before linking. */
  creds(): unknown;
  /**
   * Marks the whole object as changed and flushes it at once; what it holds when the commit is made is what is written. Resolves when
   * durable; the answer need not be awaited.
   */
  saveCreds(creds: object): Promise<void>;
  /** True once the device is linked: the credentials hold the identity that the phone has signed. */
  registered(): boolean;
  get(type: string, id: string): unknown;
  /** `undefined` and `null` delete. Resolves when durable for the types that must be (see durableOnSet), at once for the others. */
  set(data: KeyChanges): Promise<void>;
  /** Resolves when everything changed so far is in S3. Rejects with AuthUnavailable, AuthCacheFull, AuthFenced or AuthDiscarded. */
  commit(): Promise<void>;
  /**
   * Due before every connect but the first, which the barrier put at opening serves: puts one more segment, which proves that no other
   * owner has written since. Rejects with AuthFenced or AuthUnavailable.
   */
  barrier(): Promise<void>;
  /** How many changes no commit has taken up yet. */
  pending(): number;
  /** Drops what no commit has taken up yet; commits waiting for it reject with AuthDiscarded. */
  discard(): void;
  getLookup(number: string): Lookup | undefined;
  setLookup(number: string, onWhatsApp: boolean, address?: string): void;
  /** Logged out: forgets everything, removes its objects, and is closed then. The numbering goes on, so the fence holds. */
  wipe(): Promise<void>;
  /** Commits what is left, if that is possible, and leaves the cache. Never rejects. */
  close(): Promise<void>;
  readonly stats: { puts: number; bytes: number };
}

/**
 * An answer to "is this number on WhatsApp", and when it was given (epoch ms). `address`: the number (digits) that WhatsApp answered with,
 * which may be another; earlier versions did not keep it.
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

/** Changes without a commit are written after this time. */
const rideAlongMs = 400;
/**
 * Those that WhatsApp would be asked for again wait for a commit that is needed for something else: alone they are not worth a PUT, which a paced account
 * would spend on them in each of its rests of up to two minutes.
 */
const askedAgainMs = 10 * 60_000;
/** Kept in the cache, never in S3: they are made anew from WhatsApp's answers when missing. */
const recreatable: ReadonlySet<string> = new Set(['device-list', 'sender-key-memory', 'app-state-sync-version']);
/** WhatsApp or another device acts on these as soon as `set` returns. Trust tokens that a contact has sent are among them, see `set`. */
const durableOnSet: ReadonlySet<string> = new Set(['pre-key', 'app-state-sync-key', 'sender-key']);
const credsType = 'creds';
const lookupType = 'lookup';
const askedAgain: ReadonlySet<string> = new Set([lookupType, 'asked', 'lid-mapping', 'tctoken', 'devices']);

/**
 * Loads the account and puts this owner's barrier. Throws AuthCorrupt (an object is damaged or missing; nothing is loaded),
 * AuthFenced (a later owner has written, or the lease is over) or AuthCacheFull.
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
        // The notification that brings it is acked next, and WhatsApp does not send it again.
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

/** Whether an entry of type `tctoken` holds a contact's token that was not known; when ours was sent to the contact is no matter. */
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
