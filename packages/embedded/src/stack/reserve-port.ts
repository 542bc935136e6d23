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
  if (typeof wanted === 'object') return wanted;
  if (demandedBy !== null) throw new Error(`${demandedBy} is ${preferred}, but ${explain(wanted)}.`);
  for (let triesLeft = 100; triesLeft > 0; triesLeft -= 1) {
    const other = await tryPort(choosePort());
    if (typeof other === 'object') return other;
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

function explain(code: string): string {
  if (code === 'EADDRINUSE') return 'another program listens on that port';
  return code === 'EACCES' ? 'this user may not listen on that port' : `it cannot be listened on (${code})`;
}

/** The code of the error if the port is not available. */
async function tryPort(port: number): Promise<ReservedPort | string> {
  const holder = await listen({ port, host: '127.0.0.1' });
  if (typeof holder === 'string') return holder;
  const reserved = (holder.address() as AddressInfo).port;
  const claim = await claimPort(reserved);
  if (claim === null) {
    await close(holder);
    return 'EADDRINUSE';
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
  return typeof server === 'string' ? null : () => close(server);
}

/** The server, or the code of the error. */
async function listen(options: ListenOptions): Promise<Server | string> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(options).unref();
    await once(server, 'listening');
    return server;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}
