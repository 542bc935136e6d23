import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** An HTTP proxy such as companies run. It connects a client to the host that the client names. */
export interface ConnectProxy {
  readonly port: number;
  /** Each tunnel: its target, and the user in the Proxy-Authorization header. */
  readonly tunnels: { readonly target: string; readonly user: string | null }[];
  /** Whether it answers 407, like a proxy that requires a password. */
  refuses: boolean;
  close(): void;
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const tunnels: ConnectProxy['tunnels'] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', ({ url: target = '', headers }, inner: Socket) => {
    const [, basic] = headers['proxy-authorization']?.split(' ') ?? [];
    if (proxy.refuses) {
      inner.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    tunnels.push({ target, user: basic ? Buffer.from(basic, 'base64').toString() : null });
    const [host = '', port] = target.split(':');
    const outer = connect({ host, port: Number(port) }, () => {
      inner.write('HTTP/1.1 200 Connection established\r\n\r\n');
      inner.pipe(outer).pipe(inner);
    });
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on('error', () => inner.destroy()).on('close', () => sockets.delete(socket));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: ConnectProxy = {
    port: (server.address() as AddressInfo).port,
    tunnels,
    refuses: false,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}
