import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { generate } from 'selfsigned';

/** An https endpoint in front of an http endpoint. No client trusts its certificate by default. */
export interface TlsFront {
  readonly endpoint: string;
  /** The certificate, in PEM. */
  readonly certificateFile: string;
  /** The number of connections so far. */
  connections(): number;
  close(): Promise<void>;
}

export async function startTlsFront(target: string): Promise<TlsFront> {
  const { hostname: host, port: targetPort } = new URL(target);
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'store of a test' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-tls-'));
  const certificateFile = join(folder, 'ca.pem');
  await writeFile(certificateFile, cert);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ key, cert }, (inner) => {
    connections += 1;
    const outer = connect({ host, port: Number(targetPort) });
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    inner.pipe(outer).pipe(inner);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateFile,
    connections: () => connections,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await rm(folder, { recursive: true });
    },
  };
}
