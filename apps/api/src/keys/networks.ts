import { BlockList, isIPv6 } from 'node:net';

/** A check of whether an address is in one of the networks of a key. */
export function createAddressCheck(networks: readonly string[] | undefined): (address: string) => boolean {
  if (networks === undefined) return () => true;
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix, family } = readNetwork(network);
    list.addSubnet(address, prefix, family);
  }
  return (address) => list.check(address, familyOf(address));
}

/** Whether each address of a network is in another one. A network of the other family never is. */
export function isNetworkWithin(network: string, other: string): boolean {
  const { address, prefix, family } = readNetwork(network);
  const outer = readNetwork(other);
  return family === outer.family && outer.prefix <= prefix && createAddressCheck([other])(address);
}

function readNetwork(network: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', prefix] = network.split('/');
  const family = familyOf(address);
  const longest = family === 'ipv4' ? 32 : 128;
  return { address, prefix: prefix === undefined ? longest : Number(prefix), family };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
