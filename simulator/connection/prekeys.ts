import { createHash } from 'node:crypto';
import type { Account, SignedPreKey } from '../accounts.ts';
import { typed, verifySignature } from '../signal/keys.ts';
import { type Jid, parseJid } from '../wire/jid.ts';
import { bigEndian, bytesIn, child, children, numberIn, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';

const KEY_TYPE = Buffer.of(5);

/** Returns the number of the client's prekeys that are left. With 0, the client uploads its first ones. */
export const countPreKeys = (account: Account): Stanza[] => [stanza('count', { value: String(account.preKeysLeft) })];

/**
 * Returns the account's keys as the server holds them. The hash covers identity, signed prekey, its signature and all prekeys. Returns nothing when
 * the signature is missing, as in a data folder of an older version; the client then uploads its keys again.
 */
export function digestKeys(account: Account): Stanza[] {
  const { registrationId, identityKey, signedPreKey } = account.keys;
  const { signature } = signedPreKey;
  if (!signature) return [];
  const preKeys = account.preKeys();
  const hash = createHash('sha1').update(identityKey).update(signedPreKey.public).update(signature);
  for (const key of preKeys) hash.update(key.public);
  return [
    stanza('digest', {}, [
      stanza('registration', {}, bigEndian(registrationId, 4)),
      stanza('type', {}, KEY_TYPE),
      stanza('identity', {}, identityKey),
      signedKeyNode({ ...signedPreKey, signature }),
      stanza(
        'list',
        {},
        preKeys.map((key) => stanza('id', {}, bigEndian(key.id, 3))),
      ),
      stanza('hash', {}, hash.digest()),
    ]),
  ];
}

const preKeyIn = (node: Stanza | undefined): { id: number; public: Buffer } | undefined => {
  const id = numberIn(node, 'id');
  const value = bytesIn(node, 'value');
  return id !== undefined && value?.length === 32 ? { id, public: value } : undefined;
};

/** The signed prekey in a `<skey>`; undefined when it is malformed or the account has not signed it. */
function signedPreKeyIn({ keys }: Account, node: Stanza | undefined): SignedPreKey | undefined {
  const key = preKeyIn(node);
  const signature = bytesIn(node, 'signature');
  if (!key || !signature || !verifySignature(keys.identityKey, typed(key.public), signature)) return undefined;
  return { ...key, signature };
}

/** Stores the prekeys that a device uploads. Returns false when one is malformed, or the signed one is not signed by the device. */
export function uploadPreKeys(account: Account, request: Stanza): boolean {
  const signedPreKey = signedPreKeyIn(account, child(request, 'skey'));
  const identityKey = bytesIn(request, 'identity');
  const preKeys = children(child(request, 'list'), 'key').map(preKeyIn);
  const valid = preKeys.filter((key) => key !== undefined);
  if (!signedPreKey || !identityKey?.equals(account.keys.identityKey) || valid.length !== preKeys.length) return false;
  account.keys = { ...account.keys, signedPreKey };
  account.save();
  account.addPreKeys(valid);
  return true;
}

/** Replaces the device's signed prekey. Returns false when the new one is malformed or not signed by the device. */
export function rotateSignedPreKey(account: Account, rotate: Stanza | undefined): boolean {
  const signedPreKey = signedPreKeyIn(account, child(rotate, 'skey'));
  if (!signedPreKey) return false;
  account.keys = { ...account.keys, signedPreKey };
  account.save();
  return true;
}

/** A signed prekey as stanzas carry it. */
const signedKeyNode = (key: { id: number; public: Buffer; signature: Buffer }): Stanza =>
  stanza('skey', {}, [
    stanza('id', {}, bigEndian(key.id, 3)),
    stanza('value', {}, key.public),
    stanza('signature', {}, key.signature),
  ]);

type FetchedKeys = {
  readonly registrationId: number;
  readonly identityKey: Buffer;
  readonly signedPreKey: { readonly id: number; readonly public: Buffer; readonly signature: Buffer };
  readonly preKey: { readonly id: number; readonly public: Buffer } | undefined;
  readonly deviceIdentity?: Buffer | undefined;
};

/**
 * Returns keys to begin sessions with the named devices: phones, their simulated devices and linked accounts. Any other address gets an error in its
 * entry, as does the address of the account that asks.
 */
export function fetchKeys(world: World, asker: Account, request: Stanza | undefined): Stanza[] {
  const users = children(request, 'user').map(({ attrs }) => {
    const keys = keysOf(world, asker, parseJid(attrs.jid));
    if (!keys) return stanza('user', { jid: attrs.jid }, [stanza('error', { code: '404', text: 'item-not-found' })]);
    const { preKey, deviceIdentity } = keys;
    return stanza('user', { jid: attrs.jid, t: stanzaTime(world.clock()) }, [
      stanza('registration', {}, bigEndian(keys.registrationId, 4)),
      stanza('type', {}, KEY_TYPE),
      stanza('identity', {}, keys.identityKey),
      signedKeyNode(keys.signedPreKey),
      ...(preKey
        ? [stanza('key', {}, [stanza('id', {}, bigEndian(preKey.id, 3)), stanza('value', {}, preKey.public)])]
        : []),
      ...(deviceIdentity ? [stanza('device-identity', {}, deviceIdentity)] : []),
    ]);
  });
  return [stanza('list', {}, users)];
}

function keysOf(world: World, asker: Account, jid: Jid | undefined): FetchedKeys | undefined {
  const phone = world.directory.at(jid);
  if (!jid || !phone?.facts.behaviour.onWhatsApp) return undefined;
  const account = world.accounts.get(phone.number, jid.device);
  if (!account || account.state === 'unlinked') {
    return jid.device === 0 ? phone.bundle() : world.directory.companion(phone, jid.device)?.bundle();
  }
  const { signature } = account.keys.signedPreKey;
  if (account === asker || !signature) return undefined;
  const { registrationId, deviceIdentity } = account.keys;
  const { identityKey, signedPreKey, oneTime } = account.takeBundle();
  return { registrationId, identityKey, signedPreKey: { ...signedPreKey, signature }, preKey: oneTime, deviceIdentity };
}
