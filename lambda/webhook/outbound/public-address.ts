/**
 * Which addresses are on the public internet. Without this check, a caller that stores a URL could reach through the hub
 * what only the hub can reach: the runtime of its Lambda on the loopback, metadata services, other machines in a VPC.
 * @module
 */
import { BlockList, type IPVersion, isIP } from 'node:net';

/**
 * IPv4 addresses that no public server can have, and relays that would carry a packet back into a private network.
 * https://www.iana.org/assignments/iana-ipv4-special-registry
 */
const SPECIAL_IPV4 = [
  '0.0.0.0/8', // "this host": Linux treats it as the loopback
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local: metadata, and the internal services of Lambda
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
];

/**
 * The IPv6 addresses that are assigned to the internet. A list of special addresses would need every way to wrap an IPv4
 * address in an IPv6 one (mapped, compatible, NAT64, …), and such lists have gaps. ipaddr.js 2.5.0 reads `::127.0.0.1` as
 * `ipv4Mapped`. But it calls `::7f00:1` `unicast`, which is the same address as a URL spells it.
 * https://www.iana.org/assignments/ipv6-address-space
 */
const PUBLIC_IPV6 = ['2000::/3'];

/**
 * Special addresses within it: Teredo and other protocols, documentation, 6to4.
 * https://www.iana.org/assignments/iana-ipv6-special-registry
 */
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'];

const specialIpv4 = blockOf(SPECIAL_IPV4, 'ipv4');
const publicIpv6 = blockOf(PUBLIC_IPV6, 'ipv6');
const specialIpv6 = blockOf(SPECIAL_IPV6, 'ipv6');
const loopbackIpv4 = blockOf(['127.0.0.0/8'], 'ipv4');
const loopbackIpv6 = blockOf(['::1/128'], 'ipv6');

function blockOf(subnets: readonly string[], family: IPVersion): BlockList {
  const block = new BlockList();
  for (const subnet of subnets) {
    const [network = '', bits] = subnet.split('/');
    block.addSubnet(network, Number(bits), family);
  }
  return block;
}

/** Returns 4 or 6; 0 for other text, and for an address with a zone (`fe80::1%eth0`), which belongs to one link. */
const familyOf = (address: string): number => (address.includes('%') ? 0 : isIP(address));

/** Returns true for a public IPv4 or IPv6 address; false for other text. */
export function isPublic(address: string): boolean {
  const family = familyOf(address);
  if (family === 4) return !specialIpv4.check(address, 'ipv4');
  return family === 6 && publicIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
}

/**
 * Returns true for a loopback address in its plain spelling. Wrapped ones, such as `::ffff:127.0.0.1`, are not needed.
 */
export function isLoopback(address: string): boolean {
  const family = familyOf(address);
  if (family === 4) return loopbackIpv4.check(address, 'ipv4');
  return family === 6 && loopbackIpv6.check(address, 'ipv6');
}
