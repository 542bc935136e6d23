import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a database, that can go away and come back on the same port, or swallow everything. */
export interface TcpProxy {
  readonly port: number;
  /** Breaks all connections and refuses new ones. */
  down(): Promise<void>;
  up(): Promise<void>;
  /**
   * Accepts and keeps connections, but passes nothing on: a half-open line. Those that were touched by it never speak
   * again, as their bytes are missing; later ones do.
   */
  swallow(on: boolean): void;
  /** Breaks all connections; new ones are taken. */
  reset(): void;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  /** One for each connection while it is swallowed, and from then on. */
  const dumb = new WeakSet<Socket>();
  let swallowing = false;
  const server = createServer((inner) => {
    const outer = createConnection(target);
    if (swallowing) dumb.add(inner);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => void (dumb.has(inner) || to.write(data)));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async down() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    async up() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    swallow(on) {
      swallowing = on;
      if (on) for (const socket of sockets) dumb.add(socket);
    },
    reset() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
