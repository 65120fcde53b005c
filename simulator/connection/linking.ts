import { randomBytes } from 'node:crypto';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import type { Account, DeviceKeys } from '../accounts.ts';
import type { Phone } from '../phones/phone.ts';
import { mac, typed, verifySignature } from '../signal/keys.ts';
import type { Hello } from '../wire/noise.ts';
import { bytesIn, child, SERVER, stanza } from '../wire/stanza.ts';
import type { World } from '../world.ts';
import type { Connection } from './connection.ts';
import { restartRequired } from './ending.ts';
import { notifyOfDevice, passkeyNotice } from './notices.ts';
import type { PairingHello } from './pairing-code.ts';

/** A device that waits to be linked: the parts of its QR code, and the state of its pairing code. */
export type LinkOffer = {
  readonly keys: DeviceKeys;
  /** The first parts of its QR codes, in order; empty once a code was used. */
  refs: readonly string[];
  pairing: PairingHello | undefined;
};

/** A phone could not link a device. The message is for the person who holds the phone. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused';
}

/** The number of codes WhatsApp gives. The client shows them one after the other. */
const REFS = 6;
const ACCOUNT_SIGNATURE = Buffer.of(6, 0);
const DEVICE_SIGNATURE = Buffer.of(6, 1);

/** Sends a device its codes. The device then waits on this connection until one is scanned. */
export function offerLink(connection: Connection, { noiseKey, payload }: Hello): void {
  const data = payload.devicePairingData;
  if (!data?.eIdent || !data.eSkeyVal || !data.eSkeySig || !data.eRegid || !data.eSkeyId) {
    throw new Error('The device did not say which keys it has.');
  }
  const identityKey = Buffer.from(data.eIdent);
  const signedPreKey = Buffer.from(data.eSkeyVal);
  if (!verifySignature(identityKey, typed(signedPreKey), data.eSkeySig)) {
    throw new Error('The device did not sign its prekey.');
  }
  const refs = Array.from({ length: REFS }, () => `2@${randomBytes(48).toString('base64')}`);
  connection.offer = {
    keys: {
      noiseKey,
      identityKey,
      registrationId: Buffer.from(data.eRegid).readUIntBE(0, data.eRegid.length),
      signedPreKey: {
        id: Buffer.from(data.eSkeyId).readUIntBE(0, data.eSkeyId.length),
        public: signedPreKey,
        signature: Buffer.from(data.eSkeySig),
      },
    },
    refs,
    pairing: undefined,
  };
  connection.state = 'linking';
  const nodes = refs.map((ref) => stanza('ref', {}, Buffer.from(ref)));
  connection
    .request(stanza('iq', { from: SERVER, type: 'set', xmlns: 'md' }, [stanza('pair-device', {}, nodes)]))
    .catch(
      () => undefined, // A client that does not confirm can still show the codes.
    );
}

/** The device was asked for a passkey and is not linked. */
export type PasskeyDemanded = { readonly number: string; readonly passkey: 'required' };

/** Links the device that shows this QR code to the phone, or asks it for a passkey; rejects with `LinkRefused`. */
export async function scan(world: World, phone: Phone, code: string): Promise<Account | PasskeyDemanded> {
  const [ref, noiseKey, identityKey, advSecret] = code.slice(code.indexOf('#') + 1).split(',');
  if (!ref || !noiseKey || !identityKey || !advSecret) throw new LinkRefused('This is not the text of a QR code.');
  const connection = world.connections.all().find((candidate) => candidate.offer?.refs.includes(ref));
  const offer = connection?.offer;
  if (!connection || !offer) throw new LinkRefused('This QR code is no longer valid.');
  const { keys } = offer;
  if (keys.noiseKey.toString('base64') !== noiseKey || keys.identityKey.toString('base64') !== identityKey) {
    throw new LinkRefused('This QR code does not belong to the device that shows it.');
  }
  return linkOrDemand(connection, phone, Buffer.from(advSecret, 'base64'));
}

/** Links the device whose code the phone has used, or asks it for a passkey if the phone requires one. */
export async function linkOrDemand(
  connection: Connection,
  phone: Phone,
  advSecret: Buffer,
): Promise<Account | PasskeyDemanded> {
  if (phone.facts.behaviour.passkey !== 'required') return link(connection, phone, advSecret);
  connection.send(passkeyNotice(connection));
  return { number: phone.number, passkey: 'required' };
}

/** Unlinks a device: it must be linked again, and its waiting stanzas are forgotten. */
export function unlink(world: World, account: Account): void {
  world.accounts.move(account, 'unlinked');
  world.outbox.clear(account.jid);
  notifyOfDevice(world, account, 'remove');
}

/** Links the device to the phone: sends pair-success, checks the device's signature, closes with 515. Rejects with `LinkRefused`. */
export async function link(connection: Connection, phone: Phone, advSecret: Buffer): Promise<Account> {
  const { world, offer } = connection;
  if (!offer) throw new LinkRefused('The device no longer waits to be linked.');
  if (!phone.facts.behaviour.onWhatsApp) throw new LinkRefused('This phone is not on WhatsApp.');
  offer.refs = [];
  const { identityKey } = offer.keys;
  const account = world.accounts.link(phone.number, phone.facts.lid, offer.keys, world.clock());
  const details = proto.ADVDeviceIdentity.encode({
    rawId: phone.rawId,
    timestamp: Math.floor(world.clock() / 1000),
    keyIndex: account.device,
  }).finish();
  const identity = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: phone.identity.public,
    accountSignature: phone.identity.sign(Buffer.concat([ACCOUNT_SIGNATURE, details, identityKey])),
  }).finish();
  const signed = proto.ADVSignedDeviceIdentityHMAC.encode({
    details: identity,
    hmac: mac(advSecret, identity),
  }).finish();
  const success = stanza('pair-success', {}, [
    stanza('device-identity', {}, signed),
    stanza('platform', { name: 'android' }),
    stanza('device', { jid: account.jid, lid: account.lidJid }),
  ]);
  try {
    const answer = await connection.request(stanza('iq', { from: SERVER, type: 'set', xmlns: 'md' }, [success]));
    const own = child(child(answer, 'pair-device-sign'), 'device-identity');
    const { deviceSignature } = proto.ADVSignedDeviceIdentity.decode(bytesIn(own) ?? Buffer.alloc(0));
    const message = Buffer.concat([DEVICE_SIGNATURE, details, identityKey, phone.identity.public]);
    if (!deviceSignature || !verifySignature(identityKey, message, deviceSignature)) {
      throw new Error('The signature of the device is wrong.');
    }
    const signedByBoth = { ...proto.ADVSignedDeviceIdentity.decode(identity), deviceSignature };
    account.keys = {
      ...account.keys,
      deviceIdentity: Buffer.from(proto.ADVSignedDeviceIdentity.encode(signedByBoth).finish()),
    };
    account.save();
  } catch (error) {
    world.accounts.move(account, 'unlinked');
    connection.drop();
    throw new LinkRefused('The device did not confirm the link.', { cause: error });
  }
  connection.offer = undefined;
  notifyOfDevice(world, account, 'add');
  connection.close(restartRequired());
  return account;
}
