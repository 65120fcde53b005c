import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkSignaturesNatively, curveOfLibsignal, verifyXEdDsa } from '../../../socket-host/baileys/signatures.ts';

interface Curve {
  generateKeyPair(seed: Uint8Array): { public: Uint8Array; private: Uint8Array };
  sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
const curve = curveOfLibsignal() as Curve;
const inJavaScript = curve.verify;
const seedOf = (n: number): Uint8Array => Uint8Array.from(createHash('sha256').update(String(n)).digest());

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = (bit >> 3) % bytes.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

describe('signatures of WhatsApp', () => {
  it('are right as long as nothing is changed', () => {
    const pair = curve.generateKeyPair(seedOf(1));
    const message = Buffer.from('a certificate');
    const signature = curve.sign(pair.private, message);
    expect(verifyXEdDsa(pair.public, message, signature)).toBe(true);
    expect(verifyXEdDsa(pair.public, Buffer.from('a certificatf'), signature)).toBe(false);
    expect(verifyXEdDsa(flipped(pair.public, 9), message, signature)).toBe(false);
    for (const bit of [0, 200, 255, 256, 400, 511])
      expect(verifyXEdDsa(pair.public, message, flipped(signature, bit))).toBe(false);
    expect(verifyXEdDsa(pair.public, message, signature.subarray(0, 63))).toBe(false);
    expect(verifyXEdDsa(pair.public.subarray(0, 31), message, signature)).toBe(false);
    expect(verifyXEdDsa(new Uint8Array(32), message, signature)).toBe(false);
  });

  it('are judged as the library in JavaScript judges them, whatever the key, message and error', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom('nothing', 'message', 'signature', 'key'),
        fc.nat(511),
        (seed, message, changed, bit) => {
          const pair = curve.generateKeyPair(seedOf(seed));
          const signature = curve.sign(pair.private, message);
          const told = changed === 'message' ? Uint8Array.from([...message, 1]) : message;
          const key = changed === 'key' ? flipped(pair.public, bit % 255) : pair.public;
          const seal = changed === 'signature' ? flipped(signature, bit) : signature;
          expect(verifyXEdDsa(key, told, seal)).toBe(inJavaScript(key, told, seal));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are checked so by libsignal once it is told', () => {
    try {
      checkSignaturesNatively();
      expect(curve.verify).toBe(verifyXEdDsa);
    } finally {
      curve.verify = inJavaScript;
    }
  });
});
