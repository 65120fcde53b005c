import { mac } from '../signal/keys.ts';
import type { Storage } from '../storage.ts';
import type { Jid } from '../wire/jid.ts';
import { type Behaviour, Phone } from './phone.ts';

/** The behaviour of a phone that was created without one. */
const CREATED: Behaviour = { deliver: true, read: true, delayMs: 0, onWhatsApp: true };

/** The behaviour of numbers that were not created: those ending in 0000 are not on WhatsApp. */
const uncreated = (number: string): Behaviour => ({
  deliver: true,
  read: false,
  delayMs: 0,
  onWhatsApp: !number.endsWith('0000'),
});

/** All phones, by number, by address and by hidden id; a number becomes a phone when it is first addressed. */
export class Directory {
  readonly #storage: Storage;
  readonly #secret: Buffer;
  readonly #byNumber = new Map<string, Phone>();
  readonly #byAddress = new Map<string, Phone>();
  readonly #byLid = new Map<string, Phone>();

  constructor(storage: Storage, secret: Buffer) {
    this.#storage = storage;
    this.#secret = secret;
    for (const row of storage.all('SELECT * FROM phones')) {
      this.#add(
        new Phone(storage, secret, {
          number: String(row.number),
          lid: String(row.lid),
          name: String(row.name),
          created: row.created === 1,
          behaviour: JSON.parse(String(row.behaviour)),
          nextPreKey: Number(row.next_pre_key),
          spentPreKeys: new Set(String(row.spent_pre_keys).split(',').filter(Boolean).map(Number)),
          installs: Number(row.installs),
        }),
      );
    }
  }

  /** Returns the number that people know, for a phone that has another address on WhatsApp. Returns any other number unchanged. */
  numberOf(address: string): string {
    return this.#byAddress.get(address)?.number ?? address;
  }

  /** Returns the phone of a number or address. Creates it at the first call. */
  phone(number: string): Phone {
    const known = this.#byAddress.get(number) ?? this.#byNumber.get(number);
    if (known) return known;
    const phone = new Phone(this.#storage, this.#secret, {
      number,
      lid: this.#lid(number),
      name: `Phone ${number.slice(-4)}`,
      created: false,
      behaviour: uncreated(number),
      nextPreKey: 1,
      spentPreKeys: new Set(),
      installs: 0,
    });
    phone.save();
    return this.#add(phone);
  }

  /** Returns a further device of a phone, as set by `behaviour.devices`; undefined for any other. Its number is `number:device`. */
  companion(phone: Phone, device: number): Phone | undefined {
    if (!phone.companions.includes(device)) return undefined;
    const number = `${phone.number}:${device}`;
    const known = this.#byNumber.get(number);
    if (known) return known;
    const { lid, name } = phone.facts;
    const facts = { number, lid, name, created: false, nextPreKey: 1, spentPreKeys: new Set<number>(), installs: 0 };
    const companion = new Phone(this.#storage, this.#secret, { ...facts, behaviour: CREATED });
    companion.save();
    return this.#add(companion);
  }

  /** Returns the phone of an address; undefined for an unknown hidden id or another server. */
  at(jid: Jid | undefined): Phone | undefined {
    if (jid?.server === 'lid') return this.#byLid.get(jid.user);
    if (jid?.server === 's.whatsapp.net' && /^\d{5,15}$/.test(jid.user)) return this.phone(jid.user);
    return undefined;
  }

  /** Makes a phone, or sets the name and behaviour of one that exists. */
  create(number: string, name: string | undefined, behaviour: Partial<Behaviour>): Phone {
    const phone = this.phone(number);
    const { facts } = phone;
    this.#byAddress.delete(phone.address);
    facts.behaviour = { ...(facts.created ? facts.behaviour : CREATED), ...behaviour };
    facts.created = true;
    if (name !== undefined) facts.name = name;
    phone.save();
    return this.#add(phone);
  }

  #add(phone: Phone): Phone {
    this.#byNumber.set(phone.number, phone);
    if (phone.number.includes(':')) return phone;
    if (phone.address !== phone.number) this.#byAddress.set(phone.address, phone);
    this.#byLid.set(phone.facts.lid, phone);
    return phone;
  }

  /** Returns fifteen digits that do not reveal the number. */
  #lid(number: string): string {
    const digest = mac(this.#secret, Buffer.from(`lid ${number}`));
    return String(100_000_000_000_000n + (digest.readBigUInt64BE(0) % 900_000_000_000_000n));
  }
}
