import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';

/** A port of 127.0.0.1 that no other program can take until it is handed over. */
export interface ReservedPort {
  readonly port: number;
  /** Frees the port for a server of this stack. Other stacks leave it alone until `release`. */
  handOver(): Promise<void>;
  /** Frees the port for everybody. */
  release(): Promise<void>;
}

/**
 * Reserves the preferred port if it is free, otherwise any port of `choosePort` that is. It is held while the parts before it
 * start: another stack that starts at the same time would choose the same port. A `demandedBy` setting allows no other
 * port: it throws when the port is taken.
 */
export async function reservePort(preferred: number, demandedBy: string | null = null): Promise<ReservedPort> {
  const wanted = await tryPort(preferred);
  if (wanted !== null) return wanted;
  if (demandedBy !== null) throw new Error(`${demandedBy} is ${preferred}, but another program listens on that port.`);
  for (let triesLeft = 100; triesLeft > 0; triesLeft -= 1) {
    const other = await tryPort(choosePort());
    if (other !== null) return other;
  }
  throw new Error('No port of 127.0.0.1 could be reserved.');
}

/**
 * A random port below those that the system gives to connections and to servers that ask for any port, so nothing else gets it
 * between a look and the server that then listens on it. Some container engines forward a port by rules of the firewall and
 * hold no socket; the system would give such a port to others, too.
 */
export function choosePort(): number {
  return randomInt(20_000, 32_768);
}

async function tryPort(port: number): Promise<ReservedPort | null> {
  const holder = await listen({ port, host: '127.0.0.1' });
  if (holder === null) return null;
  const reserved = (holder.address() as AddressInfo).port;
  const claim = await claimPort(reserved);
  if (claim === null) {
    await close(holder);
    return null;
  }
  const handOver = () => close(holder);
  return {
    port: reserved,
    handOver,
    async release() {
      await handOver();
      await claim();
    },
  };
}

/**
 * Tells other stacks that a port is in use, also while its server is about to start or is started again. The system ends the
 * claim with the process. Only Linux has such names; elsewhere only the port itself is held. Null: another stack has it.
 */
async function claimPort(port: number): Promise<(() => Promise<void>) | null> {
  if (process.platform !== 'linux') return async () => {};
  const server = await listen({ path: `\0auditbox-port-${port}` });
  return server && (() => close(server));
}

async function listen(options: ListenOptions): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(options).unref();
    await once(server, 'listening');
    return server;
  } catch {
    return null;
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}
