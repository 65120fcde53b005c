import { isPublicAddress } from './public-address.ts';

/** The target of a URL, as far as the URL alone tells it. A name must still be resolved, and each of its addresses checked. */
export interface EgressTarget {
  scheme: 'https' | 'http';
  /** Lower case, IDN as punycode, without trailing dot and without the brackets of IPv6. */
  host: string;
  port: number;
  /** `https://example.com:8443`, from the parts above. */
  origin: string;
  /** Path and query, as in a request line. */
  path: string;
  /** The addresses, if the URL contains an address or names this machine. Undefined: `host` is a name to resolve. */
  addresses: readonly string[] | undefined;
}

/** The permissions of a stage in addition to https to public hosts. */
export interface EgressPolicy {
  /** Stage `local` only: http, and this machine (127.0.0.1, ::1, localhost) on every port. */
  allowLoopback: boolean;
}

/**
 * Returns the target of a URL that a user gave; undefined if the URL is refused. Allowed are https (http in stage local only) without user name
 * and password, to a public address or a name with a dot. The port must be 443, 80, or from 1024 up and not that of a well-known service.
 * Addresses in other spellings (decimal, octal, hexadecimal, short, full-width) are checked as the URL parser reads them, which the request uses.
 */
export function egressTarget(url: string, policy: EgressPolicy): EgressTarget | undefined {
  // The parser accepts white space, backslashes and missing slashes. Other programs read such URLs differently, so they are refused.
  if (url.length > longestUrl || /[\s\p{Cc}\\]/u.test(url) || !/^https?:\/\/[^/]/i.test(url)) return undefined;
  if (/^[^:]+:\/\/[^/?#]*@/.test(url) || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const scheme = parsed.protocol === 'https:' ? 'https' : 'http';
  if (scheme === 'http' && !policy.allowLoopback) return undefined;
  const literal = /^\[.*\]$|^[\d.]+$/.test(parsed.hostname);
  const host = parsed.hostname.replace(/^\[|\]$|\.$/g, '');
  const port = parsed.port === '' ? defaultPorts[scheme] : Number(parsed.port);
  const target = {
    scheme,
    host,
    port,
    origin: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    path: parsed.pathname + parsed.search,
  } as const;
  const here = policy.allowLoopback ? thisMachine.get(host) : undefined;
  if (here !== undefined) return port === 0 ? undefined : { ...target, addresses: here };
  if (!isAllowedPort(port)) return undefined;
  if (literal) return isPublicAddress(host) ? { ...target, addresses: [host] } : undefined;
  return isPublicName(host) ? { ...target, addresses: undefined } : undefined;
}

const longestUrl = 2048;
const defaultPorts = { https: 443, http: 80 } as const;
const thisMachine: ReadonlyMap<string, readonly string[]> = new Map([
  ['127.0.0.1', ['127.0.0.1']],
  ['::1', ['::1']],
  ['localhost', ['127.0.0.1', '::1']],
]);

/** Names that never belong to public hosts (RFC 6761, 6762, 7686, 8375, and common names of internal networks). */
const insideNames = ['localhost', 'local', 'internal', 'intranet', 'home.arpa', 'lan', 'corp', 'onion', 'in-addr.arpa'];

function isPublicName(host: string): boolean {
  const labels = host.split('.');
  if (host.length > 253 || labels.length < 2) return false;
  if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return false;
  return !insideNames.some((name) => host === name || host.endsWith(`.${name}`));
}

/** Returns whether a port is 443, 80, or from 1024 up and not that of a well-known service, such as a database. */
export function isAllowedPort(port: number): boolean {
  return port === 443 || port === 80 || (port >= 1024 && port <= 65535 && !servicePorts.has(port));
}

/** Ports from 1024 up that browsers refuse (Fetch standard, "bad port"), and default ports of databases, queues, caches and machine control. */
const servicePorts: ReadonlySet<number> = new Set([
  ...[
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
  ],
  ...[1080, 1099, 1433, 1434, 1521, 1883, 2181, 2375, 2376, 2377, 2379, 2380, 3128, 3268, 3269, 3306, 3389, 4369],
  ...[5222, 5269, 5432, 5433, 5671, 5672, 5900, 5901, 5984, 5985, 5986, 6379, 6380, 7001, 7199, 7474, 7687, 8086, 8125],
  ...[8300, 8301, 8302, 8500, 8600, 9042, 9092, 9093, 9094, 9160, 9200, 9300, 9418, 10250, 10255, 11211, 15672, 16379],
  ...[26257, 26379, 27017, 27018, 27019, 28015, 28017, 50000, 50070, 61613, 61616],
]);
