import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSendableHeader } from '../../../lib/domain/egress/headers.ts';
import { isPublicAddress } from '../../../lib/domain/egress/public-address.ts';
import { egressTarget, isAllowedPort } from '../../../lib/domain/egress/target.ts';

const deployed = { allowLoopback: false };
const local = { allowLoopback: true };

describe('a URL that is allowed', () => {
  it('comes apart into what the request needs', () => {
    expect(egressTarget('HTTPS://Hooks.Example.COM:8443/a/b?key=1#part', deployed)).toEqual({
      scheme: 'https',
      host: 'hooks.example.com',
      port: 8443,
      origin: 'https://hooks.example.com:8443',
      path: '/a/b?key=1',
      addresses: undefined,
    });
  });

  it.each([
    ['https://example.com', 'example.com', 443],
    ['https://example.com./', 'example.com', 443],
    ['https://EXAMPLE.com:443/', 'example.com', 443],
    ['https://bücher.example/', 'xn--bcher-kva.example', 443],
    ['https://ｅｘａｍｐｌｅ。com/', 'example.com', 443],
    ['https://my_hook.example.com:1024/', 'my_hook.example.com', 1024],
    ['https://example.com:80/', 'example.com', 80],
    ['https://example.com/@user?to=a@b', 'example.com', 443],
    ['https://constructor.example/', 'constructor.example', 443],
  ])('%s leads to %s, port %i', (url, host, port) => {
    expect(egressTarget(url, deployed)).toMatchObject({ host, port, addresses: undefined });
  });

  it.each([
    ['https://1.1.1.1/', '1.1.1.1', 'https://1.1.1.1:443'],
    ['https://16843009/', '1.1.1.1', 'https://1.1.1.1:443'],
    ['https://1.1.1.1./', '1.1.1.1', 'https://1.1.1.1:443'],
    ['https://[2606:4700:4700:0:0:0:0:1111]:8443/', '2606:4700:4700::1111', 'https://[2606:4700:4700::1111]:8443'],
  ])('%s is the address %s itself', (url, host, origin) => {
    expect(egressTarget(url, deployed)).toMatchObject({ host, origin, addresses: [host] });
  });
});

describe('spellings of one IPv4 address', () => {
  const spellings = (bytes: readonly number[]): string[] => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes;
    const whole = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
    const dotted = `${a}.${b}.${c}.${d}`;
    return [
      String(whole),
      `0x${whole.toString(16)}`,
      `0X${whole.toString(16).toUpperCase()}`,
      `0${whole.toString(8)}`,
      `0x${a.toString(16)}.0x${b.toString(16)}.0x${c.toString(16)}.0x${d.toString(16)}`,
      `0${a.toString(8)}.0${b.toString(8)}.0${c.toString(8)}.0${d.toString(8)}`,
      `${a}.${b * 2 ** 16 + c * 2 ** 8 + d}`,
      `${a}.${b}.${c * 2 ** 8 + d}`,
      `0x${a.toString(16)}.${b}.0${c.toString(8)}.${d}`,
      `${dotted}.`,
      dotted.replaceAll('.', '。'),
      dotted.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
      dotted.replace(/\d/g, (digit) => `%3${digit}`),
    ];
  };
  const byte = fc.integer({ min: 0, max: 255 });
  const inside = fc.oneof(
    fc.tuple(fc.constantFrom(0, 10, 127, 224, 255), byte, byte, byte),
    fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
    fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
  );

  it('are all refused or all lead to it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(byte, byte, byte, byte), inside), (bytes) => {
        const dotted = bytes.join('.');
        const expected = isPublicAddress(dotted) ? [dotted] : undefined;
        for (const spelling of spellings(bytes)) {
          expect(egressTarget(`https://${spelling}/`, deployed)?.addresses, spelling).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('inside IPv6 are all refused', () => {
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), ([a, b, c, d]) => {
        const dotted = `${a}.${b}.${c}.${d}`;
        return [`::ffff:${dotted}`, `::${dotted}`, `64:ff9b::${dotted}`, `0:0:0:0:0:FFFF:${dotted}`].every(
          (form) => egressTarget(`https://[${form}]/`, deployed) === undefined,
        );
      }),
    );
  });
});

describe('ports', () => {
  it('below 1024 are 443 and 80 only', () => {
    const allowed = Array.from({ length: 1024 }, (_, port) => port).filter(isAllowedPort);
    expect(allowed).toEqual([80, 443]);
  });

  it.each([1433, 2375, 3306, 3389, 5432, 6000, 6379, 9042, 9092, 9200, 9300, 10250, 11211, 27017])(
    '%i is a service',
    (port) => {
      expect(isAllowedPort(port)).toBe(false);
    },
  );

  it.each([1024, 3000, 4443, 5000, 8000, 8080, 8443, 9443, 65535])('%i is allowed', (port) => {
    expect(isAllowedPort(port)).toBe(true);
  });

  it.each([65536, -1, 1.5, Number.NaN])('%d is none', (port) => {
    expect(isAllowedPort(port)).toBe(false);
  });
});

describe('stage local', () => {
  it.each([
    ['http://127.0.0.1:6379/hook', ['127.0.0.1']],
    ['http://2130706433:22/', ['127.0.0.1']],
    ['https://[::1]:9200/', ['::1']],
    ['http://LOCALHOST.:5432/', ['127.0.0.1', '::1']],
    ['http://1.1.1.1/', ['1.1.1.1']],
    ['http://example.com/', undefined],
  ])('allows %s', (url, addresses) => {
    expect(egressTarget(url, deployed)).toBeUndefined();
    expect(egressTarget(url, local)).toMatchObject({ addresses });
  });

  it.each([
    ...[
      'http://127.0.0.1:0/',
      'http://127.0.0.2/',
      'http://10.0.0.1/',
      'http://[::ffff:127.0.0.1]/',
      'http://0.0.0.0/',
    ],
    ...[
      'http://a.localhost/',
      'http://169.254.169.254/',
      'http://user@localhost/',
      'http://example.com:6379/',
      'ftp://localhost/',
    ],
  ])('refuses %s', (url) => {
    expect(egressTarget(url, local)).toBeUndefined();
  });
});

describe('headers of a request', () => {
  it.each([
    ['authorization', 'Bearer abc'],
    ['X-Team', 'Zürich 7'],
    ['content-type', 'application/json'],
    ['x-empty', ''],
  ])('may be %s: %s', (name, value) => {
    expect(isSendableHeader(name, value)).toBe(true);
  });

  it.each([
    ['Host', 'internal.example'],
    ['Content-Length', '0'],
    ['Transfer-Encoding', 'chunked'],
    ['connection', 'upgrade'],
    ['Cookie', 'a=b'],
    ['x-line', 'a\r\nx-other: b'],
    ['x-zero', 'a\u0000b'],
    ['x-wide', '漢'],
    ['x name', 'a'],
    ['x:name', 'a'],
    ['', 'a'],
  ])('may not be %j: %j', (name, value) => {
    expect(isSendableHeader(name, value)).toBe(false);
  });
});
