import { createHash } from 'node:crypto';
import type { Account, SignedPreKey } from '../accounts.ts';
import { typed, verifySignature } from '../signal/keys.ts';
import { parseJid } from '../wire/jid.ts';
import { bigEndian, bytesIn, child, children, numberIn, type Stanza, stanza } from '../wire/stanza.ts';
import type { World } from '../world.ts';

const KEY_TYPE = Buffer.of(5);

/** How many uploaded prekeys are left: 0 makes the client upload its first ones. */
export const countPreKeys = (account: Account): Stanza[] => [stanza('count', { value: String(account.preKeysLeft) })];

/**
 * What the server holds of the account's keys. Undefined when a part is missing, as in a folder of an older version:
 * the client then uploads its keys anew. The hash covers identity, signed prekey, its signature and all prekeys.
 */
export function digestKeys(account: Account): Stanza[] | undefined {
  const { registrationId, identityKey, signedPreKey } = account.keys;
  const { signature } = signedPreKey;
  if (!signature) return undefined;
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

/** Takes the prekeys that a device leaves for others to write to it; false when one is malformed or not signed by the device. */
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

/** Replaces the device's signed prekey; false when the new one is malformed or not signed by the device. */
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

/** Keys to begin sessions with the phones that are named; an address that means no phone gets an error of its own. */
export function fetchKeys(world: World, request: Stanza | undefined): Stanza[] {
  const users = children(request, 'user').map(({ attrs }) => {
    const jid = parseJid(attrs.jid);
    const phone = world.directory.at(jid);
    if (!phone?.facts.behaviour.onWhatsApp || jid?.device !== 0) {
      return stanza('user', { jid: attrs.jid }, [stanza('error', { code: '404', text: 'item-not-found' })]);
    }
    const bundle = phone.bundle();
    return stanza('user', { jid: attrs.jid, t: String(Math.floor(world.clock() / 1000)) }, [
      stanza('registration', {}, bigEndian(bundle.registrationId, 4)),
      stanza('type', {}, KEY_TYPE),
      stanza('identity', {}, bundle.identityKey),
      signedKeyNode(bundle.signedPreKey),
      stanza('key', {}, [stanza('id', {}, bigEndian(bundle.preKey.id, 3)), stanza('value', {}, bundle.preKey.public)]),
    ]);
  });
  return [stanza('list', {}, users)];
}
