import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Account } from '../accounts.ts';
import type { Phone } from '../phones/phone.ts';
import { agree, derive, type KeyPair, keyPair } from '../signal/keys.ts';
import { parseJid } from '../wire/jid.ts';
import { bytesIn, SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import type { Connection } from './connection.ts';
import { LinkRefused, linkOrDemand, type PasskeyDemanded } from './linking.ts';

/**
 * Linking by a code that the device shows and the person types into the phone:
 *   device: companion_hello (its ephemeral key, wrapped with the code)
 *   phone:  primary_hello   (its ephemeral key, wrapped with the code as typed)
 *   device: companion_finish (keys, wrapped with the shared secret; unreadable when the code was wrong)
 * Both sides then derive the secret that a QR code would have carried.
 */
export type PairingHello = {
  readonly number: string;
  readonly ref: Buffer;
  /** salt (32), IV (16), the device's ephemeral key (32), encrypted. */
  readonly wrapped: Buffer;
  /** Set while a phone waits for the device's finish. */
  finish: ((bundle: Buffer | undefined) => void) | undefined;
};

const derivePassword = promisify(pbkdf2);
/** The number of PBKDF2 rounds that WhatsApp uses. */
const ROUNDS = 2 << 16;
const FINISH_LIMIT_MS = 10_000;

const codeKey = (code: string, salt: Buffer) => derivePassword(code, salt, ROUNDS, 32, 'sha256');

/** The error code for too many requested codes. */
const TOO_MANY = 429;

/** Handles a request of the device. Returns the content of the result, the code of a refusal, or undefined for an invalid request. */
export function answerPairing(connection: Connection, request: Stanza): Stanza[] | { refused: number } | undefined {
  const { offer } = connection;
  if (!offer) return undefined;
  if (request.attrs.stage === 'companion_hello') {
    const number = parseJid(request.attrs.jid)?.user;
    const wrapped = bytesIn(request, 'link_code_pairing_wrapped_companion_ephemeral_pub');
    if (!number || wrapped?.length !== 80) return undefined;
    const refused = connection.world.faults.take(number, 'refuse-code');
    if (refused) return { refused: refused.code ?? TOO_MANY };
    const ref = randomBytes(32);
    offer.pairing = { number, ref, wrapped, finish: undefined };
    const answer = stanza('link_code_pairing_ref', {}, ref);
    return [stanza('link_code_companion_reg', { stage: 'companion_hello' }, [answer])];
  }
  const bundle = bytesIn(request, 'link_code_pairing_wrapped_key_bundle');
  const ref = bytesIn(request, 'link_code_pairing_ref');
  const waiting = offer.pairing;
  if (request.attrs.stage !== 'companion_finish' || !waiting?.finish || !ref?.equals(waiting.ref) || !bundle)
    return undefined;
  waiting.finish(bundle);
  return [];
}

/** Links the device that shows this code for the phone's number, or asks it for a passkey; rejects with `LinkRefused`. */
export async function enterCode(world: World, phone: Phone, typedCode: string): Promise<Account | PasskeyDemanded> {
  const code = typedCode.replaceAll(/[\s-]/g, '').toUpperCase();
  if (!/^[0-9A-Z]{8}$/.test(code)) throw new LinkRefused('A pairing code has eight letters and digits.');
  const waiting = world.connections.all().filter((candidate) => candidate.offer?.pairing?.number === phone.number);
  const connection = waiting.at(-1);
  const hello = connection?.offer?.pairing;
  if (!connection || !hello) throw new LinkRefused('No device waits for a pairing code of this number.');
  if (hello.finish) throw new LinkRefused('A code is being tried already.');
  const companionKey = unwrap(await codeKey(code, hello.wrapped.subarray(0, 32)), hello.wrapped);
  const ephemeral = keyPair(randomBytes(32));
  const salt = randomBytes(32);
  const bundle = await exchange(connection, phone, hello, wrap(await codeKey(code, salt), salt, ephemeral.public));
  const advSecret = bundle && openBundle(connection, phone, ephemeral, companionKey, bundle);
  if (!advSecret) throw new LinkRefused('This is not the code that the device shows.');
  return linkOrDemand(connection, phone, advSecret);
}

/** Sends the phone's half and returns the device's finish; undefined when none comes in time. */
function exchange(
  connection: Connection,
  phone: Phone,
  hello: PairingHello,
  wrapped: Buffer,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const finish = (bundle: Buffer | undefined) => {
      clearTimeout(limit);
      hello.finish = undefined;
      resolve(bundle);
    };
    const limit = setTimeout(() => finish(undefined), FINISH_LIMIT_MS);
    connection.ended.addEventListener('abort', () => finish(undefined), { once: true });
    hello.finish = finish;
    connection.send(
      stanza(
        'notification',
        {
          from: SERVER,
          type: 'link_code_companion_reg',
          id: connection.newId(),
          t: stanzaTime(connection.world.clock()),
        },
        [
          stanza('link_code_companion_reg', { stage: 'primary_hello' }, [
            stanza('link_code_pairing_wrapped_primary_ephemeral_pub', {}, wrapped),
            stanza('primary_identity_pub', {}, phone.identity.public),
            stanza('link_code_pairing_ref', {}, hello.ref),
          ]),
        ],
      ),
    );
  });
}

/** Returns the secret that a QR code would have carried; undefined when the code was wrong. */
function openBundle(
  connection: Connection,
  phone: Phone,
  ephemeral: KeyPair,
  companionKey: Buffer,
  bundle: Buffer,
): Buffer | undefined {
  try {
    const shared = agree(ephemeral.private, companionKey);
    const key = derive(shared, 'link_code_pairing_key_bundle_encryption_key', 32, bundle.subarray(0, 32));
    const decipher = createDecipheriv('aes-256-gcm', key, bundle.subarray(32, 44));
    decipher.setAuthTag(bundle.subarray(-16));
    const plain = Buffer.concat([decipher.update(bundle.subarray(44, -16)), decipher.final()]);
    const device = plain.subarray(0, 32);
    const primary = plain.subarray(32, 64);
    if (!connection.offer?.keys.identityKey.equals(device) || !phone.identity.public.equals(primary)) return undefined;
    const secret = Buffer.concat([shared, agree(phone.identity.private, device), plain.subarray(64, 96)]);
    return derive(secret, 'adv_secret', 32);
  } catch {
    return undefined;
  }
}

function wrap(key: Buffer, salt: Buffer, publicKey: Buffer): Buffer {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', key, iv);
  return Buffer.concat([salt, iv, cipher.update(publicKey), cipher.final()]);
}

function unwrap(key: Buffer, wrapped: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-ctr', key, wrapped.subarray(32, 48));
  return Buffer.concat([decipher.update(wrapped.subarray(48)), decipher.final()]);
}
