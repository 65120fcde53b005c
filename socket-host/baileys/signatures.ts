import { createPublicKey, verify } from 'node:crypto';
import { createRequire } from 'node:module';

/** The function of libsignal's curve library that checks signatures: a Montgomery key of 32 bytes and a signature of 64. */
interface CurveLibrary {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** The field's prime, 2^255 - 19 (RFC 7748). */
const prime = (1n << 255n) - 19n;
/** DER of an Ed25519 public key up to its 32 bytes (RFC 8410). */
const keyPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Returns whether an XEdDSA signature (64 bytes) of a Curve25519 key (32 bytes) is right. OpenSSL checks it by the Edwards form of the key. The
 * result is the one of curve25519-js, in a fiftieth of the time. Source of the conversion: Signal's XEdDSA specification, section 2.3. The sign
 * bit of the Edwards key is the highest bit of the signature.
 */
export function verifyXEdDsa(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const sign = (signature[63] ?? 0) & 0x80;
  const plain = Uint8Array.from(signature);
  plain[63] = (plain[63] ?? 0) & 0x7f;
  const edwards = edwardsOf(publicKey);
  edwards[31] = (edwards[31] ?? 0) | sign;
  const key = createPublicKey({ key: Buffer.concat([keyPrefix, edwards]), format: 'der', type: 'spki' });
  return verify(null, message, key, plain);
}

/**
 * Makes libsignal check signatures by `verifyXEdDsa` for the rest of the process. Each connection checks two certificates, each new session
 * the recipient's pre-key: in JavaScript these are most of a connection's CPU time (docs/adr/0010). Calling it again changes nothing.
 */
export function checkSignaturesNatively(): void {
  curveOfLibsignal().verify = verifyXEdDsa;
}

/** Returns the instance of the library that libsignal itself uses. */
export function curveOfLibsignal(): CurveLibrary {
  const baileys = createRequire(import.meta.resolve('@whiskeysockets/baileys'));
  return createRequire(baileys.resolve('libsignal'))('curve25519-js');
}

/** Returns the Edwards form: y = (u - 1) / (u + 1), both little-endian. */
function edwardsOf(montgomery: Uint8Array): Uint8Array {
  const u = numberOf(montgomery) & ((1n << 255n) - 1n);
  const y = modulo((u - 1n) * inverse(modulo(u + 1n)));
  return Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse();
}

function numberOf(littleEndian: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`);
}

function modulo(value: bigint): bigint {
  const rest = value % prime;
  return rest < 0n ? rest + prime : rest;
}

/** Returns the inverse by Euclid's algorithm; that of 0 is 0. Its time depends on the value, which is harmless for a public key. */
function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value, prime, 1n, 0n];
  while (a > 1n) {
    const times = b / a;
    [a, b, x, y] = [b - times * a, a, y - times * x, x];
  }
  return a === 0n ? 0n : modulo(x);
}
