import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  sign,
  verify,
} from 'node:crypto';
import { edwardsFromMontgomery } from './curve.ts';

/**
 * Curve25519 keys on the platform's native code. Raw keys are 32 bytes; on the wire public keys carry a type byte (5).
 *
 * An identity is one Ed25519 seed. Its X25519 private key is the first half of SHA-512(seed), the scalar with which Ed25519 signs. A native Ed25519
 * signature with the sign bit of the Edwards key in its last byte is therefore a valid XEdDSA signature under the X25519 public key. Signal and
 * WhatsApp verify such signatures.
 */
export type KeyPair = { readonly private: Buffer; readonly public: Buffer };

/** A long-lived key pair that can also sign. */
export type Identity = KeyPair & { readonly sign: (message: Uint8Array) => Buffer };

const X25519_PRIVATE_DER = Buffer.from('302e020100300506032b656e04220420', 'hex');
const X25519_PUBLIC_DER = Buffer.from('302a300506032b656e032100', 'hex');
const ED25519_PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex');
const ED25519_PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_TYPE = 5;

const x25519Private = (raw: Uint8Array) =>
  createPrivateKey({ key: Buffer.concat([X25519_PRIVATE_DER, raw]), format: 'der', type: 'pkcs8' });

const x25519Public = (raw: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([X25519_PUBLIC_DER, bare(raw)]), format: 'der', type: 'spki' });

/** The 32 bytes of a public key that may carry its type byte; throws on any other length. */
export function bare(publicKey: Uint8Array): Buffer {
  const key = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength);
  if (key.length === 33 && key[0] === KEY_TYPE) return key.subarray(1);
  if (key.length === 32) return key;
  throw new Error(`A public key has 32 bytes, or 33 with its type byte; this one has ${key.length}.`);
}

/** The 33 bytes of a public key with its type byte in front. */
export const typed = (publicKey: Uint8Array): Buffer => Buffer.concat([Buffer.of(KEY_TYPE), bare(publicKey)]);

/** Returns the key pair of a 32-byte private key. */
export function keyPair(privateKey: Buffer): KeyPair {
  const exported = createPublicKey(x25519Private(privateKey)).export({ format: 'der', type: 'spki' });
  return { private: privateKey, public: exported.subarray(X25519_PUBLIC_DER.length) };
}

/** The shared secret (32 bytes) of our private and their public key; throws on a key of low order. */
export const agree = (privateKey: Uint8Array, publicKey: Uint8Array): Buffer =>
  diffieHellman({ privateKey: x25519Private(privateKey), publicKey: x25519Public(publicKey) });

/** The identity of a 32-byte seed. */
export function identity(seed: Buffer): Identity {
  const key = createPrivateKey({ key: Buffer.concat([ED25519_PRIVATE_DER, seed]), format: 'der', type: 'pkcs8' });
  const edwards = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const signBit = (edwards.at(-1) ?? 0) & 0x80;
  const pair = keyPair(createHash('sha512').update(seed).digest().subarray(0, 32));
  return {
    ...pair,
    sign(message) {
      const signature = sign(null, message, key);
      signature[63] = ((signature[63] ?? 0) & 0x7f) | signBit;
      return signature;
    },
  };
}

/** Returns whether the owner of the public key made this XEdDSA signature over the message. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const edwards = edwardsFromMontgomery(bare(publicKey));
  if (!edwards) return false;
  const plain = Buffer.from(signature);
  const last = plain[63] ?? 0;
  edwards[31] = (edwards[31] ?? 0) | (last & 0x80);
  plain[63] = last & 0x7f;
  try {
    const key = createPublicKey({ key: Buffer.concat([ED25519_PUBLIC_DER, edwards]), format: 'der', type: 'spki' });
    return verify(null, message, key, plain);
  } catch {
    return false;
  }
}

/** Returns HMAC-SHA-256. The key is wrapped because Node 24 takes four times as long with a key given as bytes. */
export const mac = (key: Uint8Array, ...parts: Uint8Array[]): Buffer => {
  const hmac = createHmac('sha256', createSecretKey(key));
  for (const part of parts) hmac.update(part);
  return hmac.digest();
};

const NO_SALT = Buffer.alloc(32);

/** HKDF-SHA-256 (RFC 5869) of `lengthBytes` bytes; an absent salt is 32 zeros. */
export function derive(secret: Uint8Array, info: string, lengthBytes: number, salt: Uint8Array = NO_SALT): Buffer {
  const pseudoRandom = mac(salt, secret);
  const label = Buffer.from(info);
  const blocks: Buffer[] = [];
  let previous: Buffer = Buffer.alloc(0);
  for (let n = 1; n <= Math.ceil(lengthBytes / 32); n++) {
    previous = mac(pseudoRandom, previous, label, Buffer.of(n));
    blocks.push(previous);
  }
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}
