import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** A port of 127.0.0.1 that no other program can take until it is released. */
export interface ReservedPort {
  readonly port: number;
  release(): Promise<void>;
}

/**
 * Reserves the preferred port if it is free, otherwise any free port. It is held while the parts before it start: another
 * stack that starts at the same time would choose the same port. A `demandedBy` setting allows no other port: it throws
 * when the port is taken.
 */
export async function reservePort(preferred: number, demandedBy: string | null = null): Promise<ReservedPort> {
  const wanted = await tryPort(preferred);
  if (wanted === null && demandedBy !== null)
    throw new Error(`${demandedBy} is ${preferred}, but another program listens on that port.`);
  const server = wanted ?? (await tryPort(0));
  if (server === null) return { port: preferred, release: async () => {} };
  return {
    port: (server.address() as AddressInfo).port,
    async release() {
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

async function tryPort(port: number): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  } catch {
    return null;
  }
}
