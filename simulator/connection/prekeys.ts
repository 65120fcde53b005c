import type { Account } from '../accounts.ts';
import { parseJid } from '../wire/jid.ts';
import { bigEndian, bytesIn, child, children, numberIn, type Stanza, stanza } from '../wire/stanza.ts';
import type { World } from '../world.ts';

const KEY_TYPE = Buffer.of(5);

/** How many uploaded prekeys are left: 0 makes the client upload its first ones. */
export const countPreKeys = (account: Account): Stanza[] => [stanza('count', { value: String(account.preKeysLeft) })];

/** What the server holds of the account's keys. */
export function digestKeys({ keys }: Account): Stanza[] {
  return [
    stanza('digest', {}, [
      stanza('registration', {}, bigEndian(keys.registrationId, 4)),
      stanza('type', {}, KEY_TYPE),
      stanza('identity', {}, keys.identityKey),
      stanza('skey', {}, [stanza('id', {}, bigEndian(keys.signedPreKey.id, 3))]),
    ]),
  ];
}

const preKeyIn = (node: Stanza | undefined): { id: number; public: Buffer } | undefined => {
  const id = numberIn(node, 'id');
  const value = bytesIn(node, 'value');
  return id !== undefined && value?.length === 32 ? { id, public: value } : undefined;
};

/** Takes the prekeys that a device leaves for others to write to it; false when they are malformed. */
export function uploadPreKeys(account: Account, request: Stanza): boolean {
  const signedPreKey = preKeyIn(child(request, 'skey'));
  const preKeys = children(child(request, 'list'), 'key').map(preKeyIn);
  const valid = preKeys.filter((key) => key !== undefined);
  if (!signedPreKey || valid.length !== preKeys.length) return false;
  account.keys = { ...account.keys, signedPreKey };
  account.save();
  account.addPreKeys(valid);
  return true;
}

/** Replaces the device's signed prekey; false when the new one is malformed. */
export function rotateSignedPreKey(account: Account, rotate: Stanza | undefined): boolean {
  const signedPreKey = preKeyIn(child(rotate, 'skey'));
  if (!signedPreKey) return false;
  account.keys = { ...account.keys, signedPreKey };
  account.save();
  return true;
}

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
      stanza('skey', {}, [
        stanza('id', {}, bigEndian(bundle.signedPreKey.id, 3)),
        stanza('value', {}, bundle.signedPreKey.public),
        stanza('signature', {}, bundle.signedPreKey.signature),
      ]),
      stanza('key', {}, [stanza('id', {}, bigEndian(bundle.preKey.id, 3)), stanza('value', {}, bundle.preKey.public)]),
    ]);
  });
  return [stanza('list', {}, users)];
}
