import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../../lib/domain/egress/public-address.ts';

const forbiddenV4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32'],
  // Anycast of protocols, not hosts: AS112 and AMT.
  ...['192.31.196.0/24', '192.52.193.0/24', '192.175.48.0/24'],
];
const forbiddenV6 = [
  ...['::/128', '::1/128', '::/96', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64'],
  ...[
    '2001::/32',
    '2001:2::/48',
    '2001:10::/28',
    '2001:20::/28',
    '2001:db8::/32',
    '2002::/16',
    '3fff::/20',
    '2620:4f:8000::/48',
  ],
  ...['4000::/2', '5f00::/16', '8000::/1', 'fc00::/7', 'fd00:ec2::254/128', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];

/** An address of the range: its leading bits, and any others after them. */
function inRange(range: string): fc.Arbitrary<string> {
  const [network, bits] = ipaddr.parseCIDR(range);
  const bytes = network.toByteArray();
  return fc.uint8Array({ minLength: bytes.length, maxLength: bytes.length }).map((random) => {
    const mixed = bytes.map((byte, index) => {
      const fixed = Math.min(8, Math.max(0, bits - index * 8));
      const free = 0xff >> fixed;
      return (byte & ~free & 0xff) | ((random[index] ?? 0) & free);
    });
    return ipaddr.fromByteArray(mixed).toString();
  });
}

/** First and last address of a range, where an off-by-one would show. */
function ends(range: string): string[] {
  const [network, bits] = ipaddr.parseCIDR(range);
  const low = network.toByteArray();
  const high = low.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, bits - index * 8))));
  return [ipaddr.fromByteArray(low).toString(), ipaddr.fromByteArray(high).toString()];
}

describe('a public address', () => {
  it.each([...forbiddenV4, ...forbiddenV6])('is none of %s', (range) => {
    for (const end of ends(range)) expect(isPublicAddress(end), end).toBe(false);
    fc.assert(
      fc.property(inRange(range), (address) => !isPublicAddress(address)),
      { numRuns: 300 },
    );
  });

  it.each([
    ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '93.184.215.14', '100.63.255.255', '100.128.0.0'],
    ...['126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0'],
    ...['192.0.1.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '1.0.0.0'],
    ...['2606:4700:4700::1111', '2001:4860:4860::8888', '2a00:1450:4001:82a::200e', '2001:200::1', '2003::1'],
  ])('is %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    ...['', ' ', 'localhost', 'example.com', '8.8.8', '8.8.8.8.', '8.8.8.8 ', '0x8.8.8.8', '134744072', '08.8.8.8'],
    ...[
      '256.1.1.1',
      '8.8.8.8/32',
      '[2606:4700:4700::1111]',
      '2606:4700:4700::1111%eth0',
      'fe80::1%lo',
      '1:2',
      '::ffff:8.8.8.8',
    ],
  ])('is not the text "%s"', (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });

  it('is never a v4-mapped, v4-compatible, 6to4 or NAT64 form of another one', () => {
    fc.assert(
      fc.property(fc.ipV4(), (v4) => {
        const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        return [`::ffff:${v4}`, `::ffff:${hex}`, `::${hex}`, `64:ff9b::${hex}`, `2002:${hex}::1`].every(
          (form) => !isPublicAddress(form),
        );
      }),
    );
  });
});
