import {
  DEFAULT_CONNECTION_CONFIG,
  MISSING_KEYS_ERROR_TEXT,
  proto,
  type SignalDataSet,
  type SignalKeyStoreWithTransaction,
  type SocketConfig,
} from '@whiskeysockets/baileys';
import { keyedMutex, mutex } from '../../lib/runtime/mutex.ts';
import type { AuthStore, KeyChanges } from '../auth/store.ts';

const tokenIndex = '__index';

type MakeRepository = SocketConfig['makeSignalRepository'];

/** The parts of a session that its Signal side needs. */
export interface SignalHooks {
  /** Returns false when the session or the lease is over. Nothing may be encrypted, decrypted or receipted then. */
  mayAct(): boolean;
  /** Called with each decrypted message of a person and awaited before the receipt goes out. `unreadable`: it holds no message. */
  beforeReceipt(ciphertext: Uint8Array, plaintext: Uint8Array): Promise<'unreadable' | undefined>;
  /**
   * Called when a ciphertext cannot be read; one that was read before cannot be read again. Returns false when the sender must not be asked for
   * it again, because there were too many like it.
   */
  unreadable(ciphertext: Uint8Array): boolean;
  /** Runs Paceline's part of handling a message, which has time limits of its own. */
  own<T>(work: () => Promise<T>): Promise<T>;
  /** Called when a ciphertext of this account may go on the wire. */
  encrypted(): void;
  /** Resolves when the credentials changed so far are durable. */
  credsSaved(): Promise<void>;
  /** Ends the session at once: nothing can be written to the socket after this returns. */
  fail(why: string): void;
}

/**
 * Returns Baileys' Signal repository with two promises that Baileys does not keep itself:
 *
 *   durable before send     encrypt -> session in S3 -> ciphertext returned, and only then on the wire
 *   stored before receipt   decrypt, aside -> listener stores the message -> keys taken over and in S3 -> receipt
 *
 * Baileys gathers key changes in transactions and commits them after the stanza has gone. Sends and receipts of one session use different locks
 * and overwrite each other. So its transactions are replaced: reads and writes go straight to the store, and one lock for each account covers
 * encryption and decryption. The key changes of an inbound message stay aside until it is stored. A commit by a send at the same time must not
 * make them durable, because WhatsApp's second delivery could not be decrypted then.
 */
export function durableRepository(store: AuthStore, hooks: SignalHooks): MakeRepository {
  return (auth, logger, pnToLid) => {
    const keys = directKeys(store, hooks);
    // Baileys reads and writes through this object. The time of a trust token reaches the store by it too, although Baileys writes it into a
    // transaction that has already ended.
    Object.assign(auth.keys, keys);
    const inner = { ...keys, transaction: <T>(work: () => Promise<T>) => work() };
    const aside = keysAside(inner);
    const make = DEFAULT_CONNECTION_CONFIG.makeSignalRepository;
    const live = make({ creds: auth.creds, keys: inner }, logger, pnToLid);
    const reading = make({ creds: auth.creds, keys: aside.keys }, logger, pnToLid);
    const locked = mutex();

    return {
      ...live,
      async encryptMessage(message) {
        mustAct();
        const ciphertext = await locked(() => live.encryptMessage(message));
        try {
          await store.commit();
        } catch (error) {
          // Baileys would send to the recipient's other devices without this one.
          hooks.fail('a session could not be made durable');
          throw error;
        }
        mustAct();
        hooks.encrypted();
        return ciphertext;
      },
      decryptMessage: (message) =>
        hooks.own(() =>
          locked(async () => {
            mustAct();
            const plaintext = await decryptAside(message);
            if ((await storeThenCommit(message.ciphertext, plaintext)) === 'unreadable')
              throwUnlessAsked(message.ciphertext);
            return plaintext;
          }),
        ),
      // Groups are not read. A stranger could fill the account's keys with those of any number of groups.
      processSenderKeyDistributionMessage: async () => {},
      injectE2ESession: (session) => locked(() => live.injectE2ESession(session)),
      migrateSession: (from, to) => locked(() => live.migrateSession(from, to)),
      deleteSession: (jids) => locked(() => live.deleteSession(jids)),
      close() {
        live.close?.();
        reading.close?.();
      },
    };

    function mustAct(): void {
      if (hooks.mayAct()) return;
      hooks.fail('the lease on the account is over');
      throw new Error('the session may not act any more');
    }

    async function decryptAside(message: Parameters<typeof live.decryptMessage>[0]): Promise<Uint8Array> {
      aside.take();
      try {
        return await reading.decryptMessage(message);
      } catch (error) {
        // A message that could not be read may still have shown a new identity, which ends the old session.
        await keys.set(aside.take());
        throwUnlessAsked(message.ciphertext);
        throw error;
      }
    }

    /** Throws when the sender must not be asked again: Baileys acks a message with this error, and does nothing else. */
    function throwUnlessAsked(ciphertext: Uint8Array): void {
      if (!hooks.unreadable(ciphertext)) throw new Error(MISSING_KEYS_ERROR_TEXT);
    }

    async function storeThenCommit(ciphertext: Uint8Array, plaintext: Uint8Array): Promise<'unreadable' | undefined> {
      try {
        const found = await hooks.beforeReceipt(ciphertext, plaintext);
        await keys.set(aside.take());
        await store.commit();
        return found;
      } catch (error) {
        aside.take();
        hooks.fail('an inbound message could not be stored');
        store.discard();
        throw error;
      }
    }
  };
}

/** Returns the store in the form that Baileys uses. */
function directKeys(store: AuthStore, hooks: SignalHooks): SignalKeyStoreWithTransaction {
  const locked = keyedMutex();
  return {
    async get(type, ids) {
      const found: Record<string, unknown> = {};
      for (const id of ids) {
        const value = readAgain(store, hooks, type, id);
        if (value === undefined) continue;
        found[id] = type === 'app-state-sync-key' && isObject(value) ? appStateKey(value) : value;
      }
      // Baileys reads each value under the type with which it was put.
      return found as never;
    },
    set: (data) => store.set(withoutTokenIndex(data as KeyChanges)),
    isInTransaction: () => false,
    transaction: (work, key) =>
      locked(key, async () => {
        const result = await work();
        // New pre-keys are uploaded next: their numbers must not be given out a second time after a crash.
        await hooks.credsSaved();
        return result;
      }),
  };
}

/**
 * Returns the changes without the list of all trust tokens. Baileys prunes tokens by it, only for accounts that appear online, and writes it whole
 * with each new recipient. The bytes would grow with the square of the recipients. Old tokens expire without the list.
 */
function withoutTokenIndex(data: KeyChanges): KeyChanges {
  if (data.tctoken === undefined || !(tokenIndex in data.tctoken)) return data;
  const { [tokenIndex]: _index, ...tctoken } = data.tctoken;
  return { ...data, tctoken };
}

/** Reads a key again. Baileys takes a read that throws for "no such session" and would make a new one, so a failure ends the session. */
function readAgain(store: AuthStore, hooks: SignalHooks, type: string, id: string): unknown {
  for (let attempt = 1; ; attempt++) {
    try {
      return store.get(type, id);
    } catch (error) {
      if (attempt < 3) continue;
      hooks.fail('the key cache cannot be read');
      throw error;
    }
  }
}

function keysAside(keys: SignalKeyStoreWithTransaction) {
  let changes: Record<string, Record<string, unknown>> = {};
  return {
    keys: {
      ...keys,
      async get(type, ids) {
        const beneath: Record<string, unknown> = await keys.get(type, ids);
        const found = { ...beneath };
        for (const id of ids) {
          const changed = changes[type];
          if (changed === undefined || !(id in changed)) continue;
          if (changed[id] === null) delete found[id];
          else found[id] = changed[id];
        }
        return found as never;
      },
      async set(data) {
        for (const [type, values] of Object.entries(data)) changes[type] = { ...changes[type], ...values };
      },
    } satisfies SignalKeyStoreWithTransaction,
    /** Returns the changes since the last call, and forgets them. */
    take(): SignalDataSet {
      const taken = changes;
      changes = {};
      return taken as SignalDataSet;
    },
  };
}

function appStateKey(value: object): proto.Message.AppStateSyncKeyData {
  return proto.Message.AppStateSyncKeyData.fromObject(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
