import { randomBytes, randomInt } from 'node:crypto';
import type { AuthenticationCreds } from '@whiskeysockets/baileys';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { Accounts } from '../../simulator/accounts.ts';
import { Directory } from '../../simulator/phones/directory.ts';
import type { Phone } from '../../simulator/phones/phone.ts';
import { identity, type KeyPair, keyPair, typed } from '../../simulator/signal/keys.ts';
import { Storage } from '../../simulator/storage.ts';

/** The keys of a linked device: Baileys' credentials, and the private halves of the prekeys that the server has. */
export interface LinkedDevice {
  number: string;
  creds: AuthenticationCreds;
  /** By id, from 1 on. */
  preKeys: Record<string, KeyPair>;
}

/** Above the five at which a login uploads more. */
const preKeysEach = 30;
const accountSignature = Buffer.of(6, 0);
const deviceSignature = Buffer.of(6, 1);

/** A phone that is online and reads a while later: never so soon that both receipts are one. */
const asPeopleDo = { deliver: true, read: true, delayMs: 400, readDelayMs: 10_000 };

/**
 * Phones and devices linked with them, written straight into the simulator's store while it is not running: what pairing would have left
 * on both sides, for a thousandth of its time (no handshakes, and signatures by native code). The other numbers
 * become phones that answer nothing, or that confirm arrival and reading.
 */
export function linkDevices(
  simulatorDir: string,
  numbers: string[],
  { silent = [], reading = [] }: { silent?: string[]; reading?: string[] },
): LinkedDevice[] {
  const storage = new Storage(simulatorDir);
  const directory = new Directory(storage, storage.secret());
  const accounts = new Accounts(storage);
  const devices = numbers.map((number) => linkDevice(directory.create(number, undefined, {}), accounts));
  for (const number of silent) directory.create(number, undefined, { deliver: false });
  for (const number of reading) directory.create(number, undefined, asPeopleDo);
  storage.close();
  return devices;
}

function linkDevice(phone: Phone, accounts: Accounts): LinkedDevice {
  const own = identity(randomBytes(32));
  const noiseKey = keyPair(randomBytes(32));
  const signedPreKey = keyPair(randomBytes(32));
  const registrationId = randomInt(1, 16_381);
  const preKeys: Record<string, KeyPair> = {};
  for (let id = 1; id <= preKeysEach; id++) preKeys[id] = keyPair(randomBytes(32));

  const account = accounts.link(
    phone.number,
    phone.facts.lid,
    {
      noiseKey: noiseKey.public,
      identityKey: own.public,
      registrationId,
      signedPreKey: { id: 1, public: signedPreKey.public, signature: own.sign(typed(signedPreKey.public)) },
    },
    Date.now(),
  );
  account.addPreKeys(Object.entries(preKeys).map(([id, key]) => ({ id: Number(id), public: key.public })));
  // As after its first login: there is no history to share.
  account.historyShared = true;
  account.save();

  const details = proto.ADVDeviceIdentity.encode({
    rawId: randomInt(1, 2 ** 31),
    timestamp: Math.floor(Date.now() / 1000),
    keyIndex: account.device,
  }).finish();
  const { identity: phoneIdentity } = phone;
  const creds: AuthenticationCreds = {
    noiseKey,
    pairingEphemeralKeyPair: keyPair(randomBytes(32)),
    signedIdentityKey: { private: own.private, public: own.public },
    signedPreKey: { keyPair: signedPreKey, signature: own.sign(typed(signedPreKey.public)), keyId: 1 },
    registrationId,
    advSecretKey: randomBytes(32).toString('base64'),
    processedHistoryMessages: [],
    nextPreKeyId: preKeysEach + 1,
    firstUnuploadedPreKeyId: preKeysEach + 1,
    // Has been online before: does not wait for the first history.
    accountSyncCounter: 1,
    accountSettings: { unarchiveChats: false },
    registered: false,
    pairingCode: undefined,
    lastPropHash: undefined,
    routingInfo: undefined,
    account: {
      details,
      accountSignatureKey: phoneIdentity.public,
      accountSignature: phoneIdentity.sign(Buffer.concat([accountSignature, details, own.public])),
      deviceSignature: own.sign(Buffer.concat([deviceSignature, details, own.public, phoneIdentity.public])),
    },
    me: { id: account.jid, lid: account.lidJid, name: `Account ${phone.number.slice(-4)}` },
    signalIdentities: [
      {
        identifier: { name: account.lidJid, deviceId: 0 },
        identifierKey: typed(phoneIdentity.public),
      },
    ],
    platform: 'android',
  };
  return { number: phone.number, creds, preKeys };
}
