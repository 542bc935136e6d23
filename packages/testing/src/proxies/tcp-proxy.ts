import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';

/** A TCP proxy in front of a database. It can go down and come up again on the same port, or swallow all data. */
export interface TcpProxy {
  readonly port: number;
  /** Everything that clients have sent, byte by byte as latin1. */
  sent(): string;
  /** Breaks all connections and refuses new ones. */
  down(): Promise<void>;
  up(): Promise<void>;
  /**
   * Accepts and keeps connections but passes no data on, like a half-open connection. Connections that existed while it
   * was on stay silent afterwards, because their bytes are missing. Later connections work.
   */
  swallow(on: boolean): void;
  /** Breaks all connections and accepts new ones. */
  reset(): void;
  /** Breaks all connections. New ones go to another port of the same host. */
  leadTo(port: number): void;
}

/** `records` keeps what clients send. */
export async function startTcpProxy(
  { host, port: firstPort }: { host: string; port: number },
  { records = false } = {},
): Promise<TcpProxy> {
  let targetPort = firstPort;
  const sockets = new Set<Socket>();
  /** The client side of each connection that was ever swallowed. */
  const silenced = new WeakSet<Socket>();
  let swallowing = false;
  const sent: Buffer[] = [];
  const server = createServer((inner) => {
    const outer = createConnection(targetPort, host);
    if (records) inner.on('data', (data: Buffer) => sent.push(data));
    if (swallowing) silenced.add(inner);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => void (silenced.has(inner) || to.write(data)));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => to.destroy());
    }
  });
  // Not any port: while the proxy is down, the system would give such a port to others.
  const port = await findFreePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    sent: () => Buffer.concat(sent).toString('latin1'),
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
      if (on) for (const socket of sockets) silenced.add(socket);
    },
    reset() {
      for (const socket of sockets) socket.destroy();
    },
    leadTo(next) {
      targetPort = next;
      for (const socket of sockets) socket.destroy();
    },
  };
}
