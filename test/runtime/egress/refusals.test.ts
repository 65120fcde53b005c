import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEgress, type Egress } from '../../../lib/runtime/egress/egress.ts';
import { EgressRefused } from '../../../lib/runtime/egress/errors.ts';

const post = { method: 'POST', headers: {}, body: '{}', timeoutMs: 2000, maxResponseBytes: 1024 } as const;

/** What the names of the table resolve to. */
const names: Record<string, string[]> = {
  'loopback.example.com': ['127.0.0.1'],
  'loopback6.example.com': ['::1'],
  'private.example.com': ['10.1.2.3'],
  'metadata.example.com': ['169.254.169.254'],
  'task.example.com': ['169.254.170.2'],
  'shared.example.com': ['100.64.0.1'],
  'mapped.example.com': ['::ffff:8.8.8.8'],
  'nat64.example.com': ['64:ff9b::a9fe:a9fe'],
  'ula.example.com': ['fd00:ec2::254'],
  'link.example.com': ['fe80::1%eth0'],
  'first.example.com': ['127.0.0.1', '93.184.215.14'],
  'last.example.com': ['93.184.215.14', '2606:4700:4700::1111', '192.168.0.1'],
  'six.example.com': ['93.184.215.14', 'fc00::1'],
  'odd.example.com': ['0x7f.1'],
};

const refused = [
  // Schemes, and what is no URL.
  ...['', ' ', 'example.com', '//example.com/', 'http://example.com/', 'http://93.184.215.14/', 'ftp://example.com/'],
  ...[
    'file:///etc/passwd',
    'gopher://example.com:70/_x',
    'data:text/plain,x',
    'javascript:alert(1)',
    'ws://example.com/',
  ],
  ...[
    'https:example.com',
    'https:/example.com',
    'https:///example.com/',
    'https:\\\\example.com\\',
    'https://',
    'https://:443/',
  ],
  ...[
    'https://exa mple.com/',
    ' https://example.com/',
    'https://exam\tple.com/',
    'https://example.com/\r\nHost: x',
    'https://example.com\\@127.0.0.1/',
  ],
  `https://example.com/${'a'.repeat(2048)}`,
  // Credentials.
  ...[
    'https://user:password@example.com/',
    'https://user@example.com/',
    'https://:password@example.com/',
    'https://@example.com/',
  ],
  ...['https://example.com@127.0.0.1/', 'https://example.com%40x@127.0.0.1/'],
  // Ports of services, and none at all.
  ...[
    'https://example.com:0/',
    'https://example.com:22/',
    'https://example.com:25/',
    'https://example.com:53/',
    'https://example.com:445/',
  ],
  ...[
    'https://example.com:3306/',
    'https://example.com:5432/',
    'https://example.com:6379/',
    'https://example.com:9200/',
  ],
  ...[
    'https://example.com:11211/',
    'https://example.com:27017/',
    'https://example.com:65536/',
    'https://example.com:1e3/',
  ],
  // IPv4 inside, in every spelling.
  ...[
    'https://127.0.0.1/',
    'https://127.0.0.1:8443/',
    'https://127.1/',
    'https://127.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
  ],
  ...[
    'https://017700000001/',
    'https://0x7f.0.0.1/',
    'https://0177.0.0.1/',
    'https://0177.0x0.0.01/',
    'https://127.0.0.1./',
    'https://%31%32%37.0.0.1/',
  ],
  ...[
    'https://１２７.０.０.１/',
    'https://①②⑦.⓪.⓪.①/',
    'https://127。0。0。1/',
    'https://0/',
    'https://0.0.0.0/',
    'https://10.0.0.1/',
  ],
  ...[
    'https://172.16.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://169.254.169.254/latest/meta-data/',
  ],
  ...[
    'https://2852039166/',
    'https://0xa9fea9fe/',
    'https://0251.0376.0251.0376/',
    'https://169.254.170.2/v2/credentials/',
    'https://100.64.0.1/',
  ],
  ...[
    'https://192.0.0.192/',
    'https://192.0.2.1/',
    'https://198.18.0.1/',
    'https://198.51.100.1/',
    'https://203.0.113.1/',
  ],
  ...[
    'https://224.0.0.1/',
    'https://240.0.0.1/',
    'https://255.255.255.255/',
    'https://256.0.0.1/',
    'https://1.2.3.4.5/',
    'https://4294967296/',
  ],
  // IPv6 inside.
  ...[
    'https://[::]/',
    'https://[::1]/',
    'https://[0:0:0:0:0:0:0:1]/',
    'https://[::127.0.0.1]/',
    'https://[::ffff:127.0.0.1]/',
  ],
  ...[
    'https://[::ffff:7f00:1]/',
    'https://[::ffff:8.8.8.8]/',
    'https://[::ffff:0:169.254.169.254]/',
    'https://[64:ff9b::169.254.169.254]/',
  ],
  ...[
    'https://[64:ff9b:1::a9fe:a9fe]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
    'https://[2001:db8::1]/',
  ],
  ...[
    'https://[fc00::1]/',
    'https://[fd00:ec2::254]/',
    'https://[fe80::1]/',
    'https://[fe80::1%25eth0]/',
    'https://[fec0::1]/',
    'https://[ff02::1]/',
  ],
  ...['https://[100::1]/', 'https://[::1', 'https://::1/', 'https://[2606:4700:4700::1111]:22/'],
  // Names of inside, and no names.
  ...[
    'https://localhost/',
    'https://LOCALHOST./',
    'https://api.localhost/',
    'https://printer.local/',
    'https://redis/',
    'https://redis./',
  ],
  ...[
    'https://metadata.google.internal/',
    'https://ip-10-0-0-1.ec2.internal/',
    'https://router.lan/',
    'https://x.home.arpa/',
    'https://abc.onion/',
  ],
  ...[
    'https://example..com/',
    'https://.example.com/',
    'https://example.com../',
    'https://-a.example.com/',
    'https://*.example.com/',
    'https://a,b.example.com/',
  ],
  `https://${'a'.repeat(64)}.example.com/`,
  `https://${'a.'.repeat(126)}example/`,
  // Names that resolve to the inside, wholly or in part.
  ...Object.keys(names).map((name) => `https://${name}/hook?token=hunter2`),
];

let egress: Egress;
const dialled: string[] = [];
const asked: string[] = [];

beforeAll(() => {
  egress = createEgress({
    allowLoopback: false,
    resolve: async (host) => {
      asked.push(host);
      return names[host] ?? [];
    },
    dial: (address) => {
      dialled.push(address);
      throw new Error('nothing of this table may be connected to');
    },
  });
});
afterAll(() => egress.close());

describe('what a user may not reach', () => {
  it('is more than sixty URLs', () => {
    expect(new Set(refused).size).toBeGreaterThan(60);
  });

  it.each(refused)('%s', async (url) => {
    asked.length = 0;
    const error = await egress.request(url, post).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EgressRefused);
    expect(error).toMatchObject({
      name: 'EgressRefused',
      message:
        'Requests go only to https URLs of public hosts, without user name and password, on port 443 or one from 1024 up that no well-known service uses.',
    });
    expect(Object.keys(error as object)).toEqual(['name']);
    expect(inspect(error)).not.toMatch(/hunter2|password@/);
    expect((error as Error).cause).toBeUndefined();
    await expect(egress.check(url)).rejects.toThrow(EgressRefused);
    expect(dialled).toEqual([]);
    expect(asked.filter((host) => names[host] === undefined)).toEqual([]);
  });
});
