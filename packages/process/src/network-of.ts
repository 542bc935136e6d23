import { isIPv6 } from 'node:net';

/** An IPv4 address in its own form, also on a socket of IPv6. Other addresses as they are. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

/**
 * The network that an address belongs to, for limits: the first 64 bits of an IPv6 address, because each subscriber has as
 * many addresses as a /64 holds. Any other address is its own network.
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1);
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? [] : tail.split(':');
  // The last 32 bits may be written as an IPv4 address.
  const length = groups.length + behind.length + (plain.includes('.') ? 1 : 0);
  if (tail !== undefined) groups.push(...Array<string>(8 - length).fill('0'), ...behind);
  const first = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${first.join(':')}::/64`;
}
