import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf, plainAddress } from './network-of.ts';

/** Refusals are logged this often at most. */
const logEveryMs = 60_000;

/** What came from a network that has its share of connections already. */
export interface RefusedConnections {
  readonly network: string;
  /** How many were refused since the last line, of all networks. */
  readonly refused: number;
  readonly share: number;
}

export interface ConnectionShares {
  /** The most connections of a network at once. */
  readonly share: number;
  /** The connections of a proxy are those of many callers. */
  readonly isProxy: (address: string) => boolean;
  readonly onRefused: (refused: RefusedConnections) => void;
}

/**
 * Closes a connection when it arrives and its network has its share already. Otherwise one caller without a key could hold
 * all connections that there may be, and the memory that they need.
 */
export function shareConnections(server: Server, { share, isProxy, onRefused }: ConnectionShares): void {
  const open = new Map<string, number>();
  let refused = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;

  function refuse(socket: Socket, network: string): void {
    socket.destroy();
    refused += 1;
    const now = performance.now();
    if (now - loggedAt < logEveryMs) return;
    loggedAt = now;
    onRefused({ network, refused, share });
    refused = 0;
  }

  // Before the listener of Node, which makes a parser for each connection.
  server.prependListener('connection', (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (isProxy(address)) return;
    const network = networkOf(address);
    const count = open.get(network) ?? 0;
    if (count >= share) return refuse(socket, network);
    open.set(network, count + 1);
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1;
      if (left === 0) open.delete(network);
      else open.set(network, left);
    });
  });
}
