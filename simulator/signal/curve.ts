/** The prime of Curve25519. Node's crypto cannot convert a public key from Montgomery to Edwards form, so this file does. */
const P = 2n ** 255n - 19n;

const mod = (value: bigint): bigint => ((value % P) + P) % P;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) {
    if (e & 1n) result = mod(result * b);
  }
  return result;
}

/** The Edwards y = (u - 1) / (u + 1), 32 bytes little-endian with sign bit 0; undefined where it does not exist. */
export function edwardsFromMontgomery(u: Uint8Array): Buffer | undefined {
  const montgomery = BigInt(`0x${Buffer.from(u).reverse().toString('hex')}`) & ((1n << 255n) - 1n);
  const denominator = mod(montgomery + 1n);
  if (denominator === 0n) return undefined;
  const y = mod((montgomery - 1n) * power(denominator, P - 2n));
  return Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse();
}
