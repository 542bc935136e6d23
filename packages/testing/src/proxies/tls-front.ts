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
  /** Ends all connections, and returns the certificate that new ones get. The file still has the former one. */
  rotate(): Promise<string>;
  close(): Promise<void>;
}

export async function startTlsFront(target: string): Promise<TlsFront> {
  const { hostname: host, port: targetPort } = new URL(target);
  const { key, cert } = await createCertificate();
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
    async rotate() {
      const next = await createCertificate();
      server.setSecureContext(next);
      for (const socket of sockets) socket.destroy();
      return next.cert;
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await rm(folder, { recursive: true });
    },
  };
}

async function createCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'store of a test' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  return { key, cert };
}
