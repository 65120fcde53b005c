import type { BinaryNode, WASocket } from '@whiskeysockets/baileys';
import { addressesOf } from '../../lib/domain/people/person.ts';
import type { AuthStore } from '../auth/store.ts';
import type { Outgoing, TransportListener } from '../transport.ts';
import type { AccountCaches } from './caches.ts';
import { askDevices, knownDevices, participantHashes } from './device-lists.ts';
import { keepAddress, knownAddress, knownLid, knownPerson } from './lookups.ts';
import { ParticipantHashes } from './participant-hashes.ts';
import type { TransportLogger } from './redaction.ts';

interface Needs {
  store: AuthStore;
  caches: AccountCaches;
  listener: Pick<TransportListener, 'onAddressesLearnt'>;
  logger: TransportLogger;
  nowMs(): number;
  /** Returns the account's own device: number and LID as digits. */
  own(): { number: string; device: number | undefined; lid: string | undefined };
  /** Resolves with the result of the work. Rejects when the connection ends first. */
  orEnd<T>(work: Promise<T>): Promise<T>;
}

/** Finds the addresses and devices to which the messages of one connection go, and asks the listener whether they may. */
export class Recipients {
  private readonly needs: Needs;
  private readonly hashes = new ParticipantHashes();
  /** Numbers with a further address that WhatsApp gave after the listener was asked whether they may be written to. */
  private readonly unchecked = new Set<string>();

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** Returns whether the listener must be asked before anything is shown to the person. */
  isUnchecked(to: string): boolean {
    return this.unchecked.has(to);
  }

  /** Returns the number (digits) to which the message goes; its devices and the account's own are known then. Undefined when it has none. */
  async addressWithDevices(sock: WASocket, { to, refreshDevices }: Outgoing): Promise<string | undefined> {
    const { store, caches } = this.needs;
    const own = this.needs.own().number;
    const address = knownAddress(store, to);
    if (refreshDevices === true) caches.forgetDevices([address, own]);
    const missing = [...new Set([own, address])].filter((number) => knownDevices(caches, number) === undefined);
    const answered = missing.length === 0 ? [] : await this.needs.orEnd(askDevices(sock, store, caches, missing));
    if (knownDevices(caches, address) !== undefined) return address;
    // The person is known by another number, which no lookup has given before.
    const [other] = answered.filter((number) => number !== own);
    if (other !== undefined) keepAddress(store, to, other);
    return other;
  }

  /** Runs `ask`. If it brings a further address of the person behind a number, the listener is asked before the next message. */
  async learning<T>(to: string, ask: () => Promise<T>): Promise<T> {
    const { store } = this.needs;
    const before = addressesOf(knownPerson(store, to));
    try {
      return await ask();
    } finally {
      if (addressesOf(knownPerson(store, to)).some((address) => !before.includes(address))) this.unchecked.add(to);
    }
  }

  async mayWriteTo(to: string): Promise<boolean> {
    if (!this.unchecked.has(to)) return true;
    const may = await this.needs.listener.onAddressesLearnt(knownPerson(this.needs.store, to));
    if (may) this.unchecked.delete(to);
    return may;
  }

  /** Notes the hash that the ack has if the message goes to every device. */
  expectHash(id: string, address: string): void {
    const { store, caches } = this.needs;
    const { number: own, device, lid: ownLid } = this.needs.own();
    const numbers = [...new Set([own, address])];
    const devices = numbers.flatMap((number) => knownDevices(caches, number) ?? []);
    const lids = numbers.flatMap((number): [string, string][] => {
      const lid = number === own ? ownLid : knownLid(store, number);
      return lid === undefined ? [] : [[number, lid]];
    });
    this.hashes.expect(
      id,
      address,
      participantHashes([{ user: own, ...(device === undefined ? {} : { device }) }, ...devices], new Map(lids)),
    );
  }

  /** Takes the ack of a message. If its hash differs, the message missed some devices. Their list is asked for before the next message. */
  acked(node: BinaryNode): void {
    const missed = this.hashes.missedBy(node, this.needs.nowMs());
    if (missed === undefined) return;
    this.needs.caches.forgetDevices([missed.address, ...(missed.own ? [this.needs.own().number] : [])]);
    this.needs.logger.debug({ own: missed.own }, 'a message has missed some devices: they are asked for again');
  }
}
