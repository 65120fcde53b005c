import ipaddr from 'ipaddr.js';

/**
 * Address ranges that no request of a user may reach. For IPv6, only 2000::/3 is allowed, the range for public hosts (RFC 4291, IANA's registry).
 * So other IPv6 ranges need no line here: loopback, unique local, link local, v4-mapped, v4-compatible, NAT64, multicast.
 */
const forbiddenRanges = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  // Includes 169.254.169.254 (instance metadata) and 169.254.170.2 (credentials of a task).
  '169.254.0.0/16',
  // Azure's platform services for a virtual machine. The address looks public.
  '168.63.129.16/32',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // For protocols, such as Teredo (2001::/32). The first block for hosts is 2001:200::/23.
  '2001::/23',
  '2001:db8::/32',
  // 6to4 leads to the IPv4 address inside.
  '2002::/16',
  '3fff::/20',
].map((range) => ipaddr.parseCIDR(range));

const hostsOfIpv6 = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Returns whether an address belongs to a host of the public internet. It must be written as resolvers and URL parsers write it: `198.51.100.7`,
 * `2606:4700::1111`. Returns false for any other text, also for other spellings and zones (`fe80::1%eth0`).
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parse(address);
  if (parsed === undefined || parsed.range() !== 'unicast') return false;
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(hostsOfIpv6)) return false;
  return !forbiddenRanges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits));
}

function parse(address: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address);
  if (address.includes(':') && !address.includes('%') && ipaddr.IPv6.isValid(address))
    return ipaddr.IPv6.parse(address);
  return undefined;
}
