import { createHash } from 'node:crypto';
import {
  extractDeviceJids,
  isLidUser,
  jidDecode,
  USyncQuery,
  type USyncQueryResultList,
  USyncUser,
  type WASocket,
} from '@whiskeysockets/baileys';
import type { AuthStore } from '../auth/store.ts';
import type { AccountCaches } from './caches.ts';
import { jidOf } from './stanzas.ts';

/** A device as Baileys keeps it in its cache. */
interface Device {
  user: string;
  device?: number;
  server?: string;
}

/** Returns the known devices of a number without this account's own device; undefined when WhatsApp must be asked. */
export function knownDevices(caches: AccountCaches, number: string): Device[] | undefined {
  const list = caches.devices.get<Device[]>(number);
  return Array.isArray(list) && list.length > 0 ? list : undefined;
}

/**
 * Asks WhatsApp for the devices and LIDs of numbers (digits). Returns the numbers that it answered for. Baileys would ask by itself, and would then
 * begin a new Signal session with each device.
 */
export async function askDevices(
  sock: WASocket,
  store: AuthStore,
  caches: AccountCaches,
  numbers: string[],
): Promise<string[]> {
  const query = new USyncQuery().withContext('message').withDeviceProtocol().withLIDProtocol();
  for (const number of numbers) query.withUser(new USyncUser().withId(jidOf(number)));
  return await keepAnswers(sock, store, caches, (await sock.executeUSyncQuery(query))?.list ?? []);
}

/** Stores the LIDs and device lists of WhatsApp's answers where Baileys looks for them. Returns the numbers whose devices they name. */
export async function keepAnswers(
  sock: WASocket,
  store: AuthStore,
  caches: AccountCaches,
  answers: USyncQueryResultList[],
): Promise<string[]> {
  const pairs = answers.flatMap(({ id, lid }) => (typeof lid === 'string' && isLidUser(lid) ? [{ lid, pn: id }] : []));
  await sock.signalRepository.lidMapping.storeLIDPNMappings(pairs);
  const { id = '', lid = '' } = sock.authState.creds.me ?? {};
  const lists = new Map<string, Device[]>();
  for (const device of extractDeviceJids(answers, id, jidDecode(lid)?.user ?? '', false)) {
    lists.set(device.user, [...(lists.get(device.user) ?? []), device]);
  }
  const entries = [...lists].map(([key, value]) => ({ key, value }));
  await caches.devices.mset?.(entries);
  const ids = entries.map(({ key, value }) => [key, value.map(({ device = 0 }) => String(device))]);
  await store.set({ 'device-list': Object.fromEntries(ids) });
  return [...lists.keys()];
}

/**
 * Returns the hashes of which WhatsApp's ack names one (`phash`) if the message went to every device of both sides: over the sorted addresses of
 * all devices, the sending one included, by number or by LID. `lids` are those of the users.
 */
export function participantHashes(devices: Device[], lids: ReadonlyMap<string, string>): string[] {
  const hash = (jids: string[]) => {
    const digest = createHash('sha256')
      .update([...new Set(jids)].toSorted().join(''))
      .digest();
    return `2:${digest.subarray(0, 6).toString('base64')}`;
  };
  const byNumber = devices.map(({ user, device = 0, server = 's.whatsapp.net' }) => `${user}.0:${device}@${server}`);
  const byLid = devices.map(({ user, device = 0 }) => `${lids.get(user) ?? user}.0:${device}@lid`);
  return [hash(byNumber), hash(byLid)];
}
