import { derive, type Identity, identity, type KeyPair, keyPair, mac, typed } from '../signal/keys.ts';
import { addSession, openMessage, packRecord, type SessionRecord, unpackRecord } from '../signal/record.ts';
import { beginOutgoing, type Opened, seal } from '../signal/session.ts';
import type { Storage } from '../storage.ts';

/**
 * The behaviour of a phone. It receives a message after `delayMs` and reads it `readDelayMs` later. `answersAs`: the phone's number (digits) on
 * WhatsApp, where that is another spelling than the number people know. `passkey`: whether a device to be linked is asked for a passkey.
 * `devices`: the number of its devices, itself included; each gets its copy of a message.
 */
export type Behaviour = {
  deliver: boolean;
  read: boolean;
  delayMs: number;
  readDelayMs?: number | undefined;
  onWhatsApp: boolean;
  passkey?: 'none' | 'required' | undefined;
  answersAs?: string | undefined;
  devices?: number | undefined;
};

/** The keys that a client fetches before it writes to a phone for the first time. */
export type Bundle = {
  readonly registrationId: number;
  readonly identityKey: Buffer;
  readonly signedPreKey: { readonly id: number; readonly public: Buffer; readonly signature: Buffer };
  readonly preKey: { readonly id: number; readonly public: Buffer };
};

/** The keys that a linked device has left with the server, for phones to write to it. */
export type DeviceBundle = {
  readonly identityKey: Buffer;
  readonly signedPreKey: { readonly id: number; readonly public: Buffer };
  readonly oneTime: { readonly id: number; readonly public: Buffer } | undefined;
};

/** A phone's settings as the store keeps them. */
export type PhoneFacts = {
  readonly number: string;
  readonly lid: string;
  name: string;
  created: boolean;
  behaviour: Behaviour;
  nextPreKey: number;
  spentPreKeys: Set<number>;
  /** The number of times the phone was set up again. */
  installs: number;
};

const SIGNED_PRE_KEY = 1;
const HIGHEST_DEVICE = 98;

/**
 * One simulated phone: a primary device with a Signal identity. Its keys are derived from the data folder's secret and
 * its number, so that only ratchets and counters need to be stored. The further devices of a phone are made likewise,
 * each under `number:device`.
 */
export class Phone {
  readonly facts: PhoneFacts;
  readonly #storage: Storage;
  readonly #secret: Buffer;
  #seed: Buffer;
  readonly #sessions = new Map<string, SessionRecord>();
  #identity: Identity | undefined;
  #signedPreKey: KeyPair | undefined;

  constructor(storage: Storage, secret: Buffer, facts: PhoneFacts) {
    this.#storage = storage;
    this.#secret = secret;
    this.facts = facts;
    this.#seed = this.#newSeed();
  }

  get number(): string {
    return this.facts.number;
  }

  /** The number under which WhatsApp knows the phone: lookups return it, and the phone's messages come from it. */
  get address(): string {
    return this.facts.behaviour.answersAs ?? this.number;
  }

  /** The numbers of its simulated further devices, from 98 downwards. Linked accounts have lower numbers. */
  get companions(): number[] {
    return Array.from({ length: (this.facts.behaviour.devices ?? 1) - 1 }, (_, index) => HIGHEST_DEVICE - index);
  }

  get identity(): Identity {
    this.#identity ??= identity(derive(this.#seed, 'identity', 32));
    return this.#identity;
  }

  /** The id that all devices of the phone share, in their identities and in the list of devices. */
  get rawId(): number {
    return this.#seed.readUInt32BE(4);
  }

  get registrationId(): number {
    return this.#seed.readUInt16BE(0) & 0x3fff || 1;
  }

  /** Returns fresh keys for a client that wants to write. Each call gives away another one-time prekey. */
  bundle(): Bundle {
    const id = this.facts.nextPreKey++;
    this.save();
    const signed = this.#signed();
    return {
      registrationId: this.registrationId,
      identityKey: this.identity.public,
      signedPreKey: {
        id: SIGNED_PRE_KEY,
        public: signed.public,
        signature: this.identity.sign(typed(signed.public)),
      },
      preKey: { id, public: this.#oneTime(id).public },
    };
  }

  /** Opens a message that a device has encrypted for this phone. `peer` is the device's address. */
  open(peer: string, type: string, body: Buffer): Opened {
    const record = this.#record(peer);
    const opened = openMessage(record, type, body, {
      identity: this.identity,
      signedPreKey: this.#signed(),
      signedPreKeyId: SIGNED_PRE_KEY,
      oneTime: (id) => {
        const known = id > 0 && id < this.facts.nextPreKey && !this.facts.spentPreKeys.has(id);
        return known ? this.#oneTime(id) : undefined;
      },
      spend: (id) => {
        this.facts.spentPreKeys.add(id);
        this.save();
      },
    });
    if (opened.result === 'opened') this.#keep(peer, record);
    return opened;
  }

  /** Encrypts a message for a device. Returns undefined when there is no session and no keys to begin one. */
  seal(peer: string, plaintext: Buffer, newKey: () => KeyPair, begin?: DeviceBundle) {
    const record = this.#record(peer);
    if (begin) addSession(record, beginOutgoing(this.identity, newKey, begin));
    const session = record.sessions[0];
    if (!session) return undefined;
    const sealed = seal(session, plaintext, { identity: this.identity, registrationId: this.registrationId }, newKey);
    this.#keep(peer, record);
    return sealed;
  }

  /** Returns the secret that one of the phone's messages carries. It encrypts later edits of the message and votes in it. */
  messageSecret(id: string): Buffer {
    return derive(this.#seed, `message ${id}`, 32);
  }

  /** Returns the devices (hidden addresses) that the phone has, or had before a `reinstall`, sessions with. */
  peers(): string[] {
    const stored = this.#storage
      .all('SELECT peer FROM sessions WHERE phone = ?', this.number)
      .map(({ peer }) => String(peer));
    const held = [...this.#sessions].filter(([, { sessions }]) => sessions.length > 0).map(([peer]) => peer);
    return [...new Set([...stored, ...held])];
  }

  /** Sets the phone up again, as on a new handset: with new keys and no sessions. Returns the peers that had a session with it. */
  reinstall(): string[] {
    const peers = this.peers();
    this.facts.installs += 1;
    this.facts.nextPreKey = 1;
    this.facts.spentPreKeys.clear();
    this.#seed = this.#newSeed();
    this.#identity = undefined;
    this.#signedPreKey = undefined;
    for (const peer of peers) this.#keep(peer, { sessions: [] });
    this.#sessions.clear();
    this.save();
    return peers;
  }

  /** Whether the phone has a session with the device, so that it can write to it. */
  knows(peer: string): boolean {
    return this.#record(peer).sessions.length > 0;
  }

  /** Stores the phone's settings at the end of this turn of the event loop. */
  save(): void {
    const { facts } = this;
    this.#storage.changeLate(`phone ${facts.number}`, () =>
      this.#storage.change(
        `INSERT INTO phones (number, lid, name, created, behaviour, next_pre_key, spent_pre_keys, installs)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET name = excluded.name,
         created = excluded.created, behaviour = excluded.behaviour, next_pre_key = excluded.next_pre_key,
         spent_pre_keys = excluded.spent_pre_keys, installs = excluded.installs`,
        facts.number,
        facts.lid,
        facts.name,
        facts.created ? 1 : 0,
        JSON.stringify(facts.behaviour),
        facts.nextPreKey,
        [...facts.spentPreKeys].join(','),
        facts.installs,
      ),
    );
  }

  /** The seed of the phone's keys, another one after each installation. */
  #newSeed(): Buffer {
    const { number, installs } = this.facts;
    return mac(this.#secret, Buffer.from(installs === 0 ? `phone ${number}` : `phone ${number} ${installs}`));
  }

  #signed(): KeyPair {
    this.#signedPreKey ??= keyPair(derive(this.#seed, 'signed prekey', 32));
    return this.#signedPreKey;
  }

  #oneTime(id: number): KeyPair {
    return keyPair(derive(this.#seed, `prekey ${id}`, 32));
  }

  #record(peer: string): SessionRecord {
    let record = this.#sessions.get(peer);
    if (!record) {
      const row = this.#storage.get('SELECT record FROM sessions WHERE phone = ? AND peer = ?', this.number, peer);
      record = row ? unpackRecord(String(row.record)) : { sessions: [] };
      this.#sessions.set(peer, record);
    }
    return record;
  }

  #keep(peer: string, record: SessionRecord): void {
    this.#storage.changeLate(`session ${this.number} ${peer}`, () =>
      this.#storage.change(
        `INSERT INTO sessions (phone, peer, record) VALUES (?, ?, ?)
         ON CONFLICT (phone, peer) DO UPDATE SET record = excluded.record`,
        this.number,
        peer,
        packRecord(record),
      ),
    );
  }
}
