import type { DeviceBundle } from './phones/phone.ts';
import type { Storage } from './storage.ts';
import { lidJid, numberJid } from './wire/jid.ts';

/**
 * linked   -> may log in
 * unlinked -> logged out by itself or by the phone: every login is refused with 401
 * banned   -> every login is refused with 403, until the ban is lifted
 */
export type AccountState = 'linked' | 'unlinked' | 'banned';

/** Keys and ids that a device sent when it was linked, or uploaded later. Keys have 32 bytes. */
export type DeviceKeys = {
  readonly noiseKey: Buffer;
  readonly identityKey: Buffer;
  readonly registrationId: number;
  readonly signedPreKey: SignedPreKey;
  /** The ADVSignedDeviceIdentity, which proves that the phone has linked the device. Undefined in data folders of older versions. */
  readonly deviceIdentity?: Buffer | undefined;
};

/** `signature` has 64 bytes and is made with the identity key. Undefined in data folders of older versions. */
export type SignedPreKey = { readonly id: number; readonly public: Buffer; readonly signature: Buffer | undefined };

const PRE_KEY_BYTES = 3 + 32;
/** The highest number of a linked device. The numbers up to 98 are for a phone's simulated devices; 99 has another meaning for clients. */
const MOST_DEVICES = 90;

/** One linked device of a phone; the product calls it an account. */
export class Account {
  readonly number: string;
  readonly device: number;
  readonly lid: string;
  readonly linkedAtMs: number;
  readonly #storage: Storage;
  keys: DeviceKeys;
  state: AccountState;
  /** Whether the phone has shared its history, as it does after the first login. */
  historyShared: boolean;
  /** Whether the device was warned that few prekeys are left. It is warned once, until it uploads more. */
  warnedOfFewPreKeys = false;
  /** Uploaded one-time prekeys, 3 bytes of id and 32 of key each; the first `#used` are used up. */
  #preKeys: Buffer;
  #used: number;

  constructor(
    storage: Storage,
    facts: { number: string; device: number; lid: string; linkedAtMs: number; keys: DeviceKeys },
    stored: { state: AccountState; historyShared: boolean; preKeys: Buffer; used: number } = {
      state: 'linked',
      historyShared: false,
      preKeys: Buffer.alloc(0),
      used: 0,
    },
  ) {
    this.#storage = storage;
    this.number = facts.number;
    this.device = facts.device;
    this.lid = facts.lid;
    this.linkedAtMs = facts.linkedAtMs;
    this.keys = facts.keys;
    this.state = stored.state;
    this.historyShared = stored.historyShared;
    this.#preKeys = stored.preKeys;
    this.#used = stored.used;
  }

  /** The address under which the device logs in, which also names it in the store. */
  get jid(): string {
    return numberJid(this.number, this.device);
  }

  /** The device's hidden address, under which sessions with it are stored. */
  get lidJid(): string {
    return lidJid(this.lid, this.device);
  }

  /** The number of uploaded prekeys that are left. */
  get preKeysLeft(): number {
    return this.#preKeys.length / PRE_KEY_BYTES - this.#used;
  }

  /** Adds uploaded prekeys. Skips ids that exist already. */
  addPreKeys(keys: readonly { id: number; public: Buffer }[]): void {
    const rest = this.#preKeys.subarray(this.#used * PRE_KEY_BYTES);
    const known = new Set<number>();
    for (let at = 0; at < rest.length; at += PRE_KEY_BYTES) known.add(rest.readUIntBE(at, 3));
    const added = keys
      .filter((key) => !known.has(key.id))
      .map((key) => {
        const entry = Buffer.alloc(PRE_KEY_BYTES);
        entry.writeUIntBE(key.id, 0, 3);
        entry.set(key.public, 3);
        return entry;
      });
    this.#preKeys = Buffer.concat([rest, ...added]);
    this.#used = 0;
    this.warnedOfFewPreKeys = false;
    this.#storage.change('UPDATE accounts SET pre_keys = ?, pre_keys_used = 0 WHERE jid = ?', this.#preKeys, this.jid);
  }

  /** The uploaded prekeys that are left, in order. */
  preKeys(): { id: number; public: Buffer }[] {
    const rest = this.#preKeys.subarray(this.#used * PRE_KEY_BYTES);
    return Array.from({ length: rest.length / PRE_KEY_BYTES }, (_, index) => {
      const entry = rest.subarray(index * PRE_KEY_BYTES, (index + 1) * PRE_KEY_BYTES);
      return { id: entry.readUIntBE(0, 3), public: entry.subarray(3) };
    });
  }

  /** Returns the keys to begin a session with, and uses up one prekey. */
  takeBundle(): DeviceBundle {
    const { identityKey, signedPreKey } = this.keys;
    if (this.preKeysLeft === 0) return { identityKey, signedPreKey, oneTime: undefined };
    const at = this.#used * PRE_KEY_BYTES;
    this.#used += 1;
    this.#storage.change('UPDATE accounts SET pre_keys_used = ? WHERE jid = ?', this.#used, this.jid);
    const id = this.#preKeys.readUIntBE(at, 3);
    return { identityKey, signedPreKey, oneTime: { id, public: this.#preKeys.subarray(at + 3, at + PRE_KEY_BYTES) } };
  }

  /** Stores the device with its state, keys and prekeys. */
  save(): void {
    const { noiseKey, identityKey, registrationId, signedPreKey } = this.keys;
    const device = {
      number: this.number,
      device: this.device,
      lid: this.lid,
      linkedAtMs: this.linkedAtMs,
      noiseKey: noiseKey.toString('base64'),
      identityKey: identityKey.toString('base64'),
      registrationId,
      signedPreKeyId: signedPreKey.id,
      signedPreKey: signedPreKey.public.toString('base64'),
      signedPreKeySignature: signedPreKey.signature?.toString('base64'),
      historyShared: this.historyShared,
      deviceIdentity: this.keys.deviceIdentity?.toString('base64'),
    };
    this.#storage.change(
      `INSERT INTO accounts (jid, state, device, pre_keys, pre_keys_used) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (jid) DO UPDATE SET state = excluded.state, device = excluded.device,
       pre_keys = excluded.pre_keys, pre_keys_used = excluded.pre_keys_used`,
      this.jid,
      this.state,
      JSON.stringify(device),
      this.#preKeys,
      this.#used,
    );
  }
}

/** All linked devices. */
export class Accounts {
  readonly #storage: Storage;
  readonly #byJid = new Map<string, Account>();
  readonly #byNumber = new Map<string, Account[]>();

  constructor(storage: Storage) {
    this.#storage = storage;
    for (const row of storage.all('SELECT * FROM accounts')) {
      const device = JSON.parse(String(row.device));
      const bytes = (text: string) => Buffer.from(text, 'base64');
      const account = new Account(
        storage,
        {
          ...device,
          keys: {
            noiseKey: bytes(device.noiseKey),
            identityKey: bytes(device.identityKey),
            registrationId: device.registrationId,
            deviceIdentity: device.deviceIdentity === undefined ? undefined : bytes(device.deviceIdentity),
            signedPreKey: {
              id: device.signedPreKeyId,
              public: bytes(device.signedPreKey),
              signature: device.signedPreKeySignature === undefined ? undefined : bytes(device.signedPreKeySignature),
            },
          },
        },
        {
          historyShared: device.historyShared === true,
          state: row.state === 'linked' || row.state === 'banned' ? row.state : 'unlinked',
          preKeys: row.pre_keys instanceof Uint8Array ? Buffer.from(row.pre_keys) : Buffer.alloc(0),
          used: Number(row.pre_keys_used),
        },
      );
      this.#add(account);
    }
  }

  /** Links a device under the next device number of its phone, or a free one when they have run out. */
  link(number: string, lid: string, keys: DeviceKeys, linkedAtMs: number): Account {
    const devices = this.list(number);
    const next = 1 + Math.max(0, ...devices.map((account) => account.device));
    const free = devices.find((account) => account.state === 'unlinked')?.device;
    const device = next <= MOST_DEVICES || free === undefined ? next : free;
    const account = new Account(this.#storage, { number, device, lid, linkedAtMs, keys });
    account.save();
    this.#add(account);
    return account;
  }

  /** The device that logs in under this number and device number. */
  get(number: string, device: number): Account | undefined {
    return this.#byJid.get(numberJid(number, device));
  }

  /** All devices, or those of one number; unlinked ones included. */
  list(number?: string): Account[] {
    return number === undefined ? [...this.#byJid.values()] : [...(this.#byNumber.get(number) ?? [])];
  }

  #add(account: Account): void {
    const others = this.list(account.number).filter(({ device }) => device !== account.device);
    this.#byNumber.set(account.number, [...others, account]);
    this.#byJid.set(account.jid, account);
  }

  /** Moves an account to another state. */
  move(account: Account, state: AccountState): void {
    if (account.state === state) return;
    account.state = state;
    account.save();
  }
}
