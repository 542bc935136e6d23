import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { breakConnection } from './break-connection.ts';
import type { ConnectionLimits, TlsFiles } from './http-settings.ts';

/** Node looks for slow requests this often. Its default is 30 s, longer than some of the limits. */
const checkSlowRequestsMs = 5_000;

/** The server of the api. It does not listen yet. */
export interface ApiServer {
  readonly server: Server;
  /** Ends every connection. An answer that is not complete looks broken to its caller. */
  breakConnections(): void;
}

export function createServer(app: RequestListener, limits: ConnectionLimits, tls: TlsFiles | null): ApiServer {
  const options = {
    headersTimeout: limits.headersMs,
    requestTimeout: Math.max(limits.requestMs, limits.headersMs),
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: checkSlowRequestsMs,
  };
  const server =
    tls === null
      ? createHttpServer(options, app)
      : createHttpsServer({ ...options, ...readCertificates(tls), minVersion: 'TLSv1.2' }, app);
  server.maxConnections = limits.max;
  server.timeout = limits.stallMs;
  const answers = new Map<ServerResponse, IncomingMessage>();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answers.set(response, request);
    response.on('close', () => answers.delete(response));
  });
  // Nothing has moved on the connection. That is the caller's doing if a part of its body or of its answer is missing.
  server.on('timeout', (socket: Socket) => {
    const [response, request] = [...answers].find(([answer]) => answer.socket === socket) ?? [];
    if (response === undefined) socket.destroy();
    else if (!request?.complete || response.writableLength > 0 || socket.writableLength > 0) breakConnection(socket);
    else socket.setTimeout(limits.stallMs);
  });
  return {
    server,
    breakConnections() {
      for (const { socket } of answers.keys()) breakConnection(socket);
      server.closeAllConnections();
    },
  };
}

const checkFilesMs = 5_000;

/**
 * Reads the files of TLS again when they have changed, for new connections. Files that are wrong, such as a certificate whose
 * key is not there yet, are tried again; `onError` gets the error once. Returns a function that ends it.
 */
export function reloadCertificates(
  server: Server,
  tls: TlsFiles,
  { onReload, onError }: { onReload(): void; onError(error: unknown): void },
): () => void {
  if (!('setSecureContext' in server)) return () => {};
  const secure = server as Server & { setSecureContext(options: object): void };
  let loaded: string | null = null;
  let failed: string | null = null;
  const check = async () => {
    const version = await readVersion(tls).catch(() => null);
    const isFirst = loaded === null;
    if (version === null || version === loaded) return;
    try {
      if (!isFirst) secure.setSecureContext({ ...readCertificates(tls), minVersion: 'TLSv1.2' });
      loaded = version;
      if (!isFirst) onReload();
    } catch (error) {
      if (version !== failed) onError(error);
      failed = version;
    }
  };
  void check();
  const timer = setInterval(() => void check(), checkFilesMs);
  timer.unref();
  return () => clearInterval(timer);
}

function readCertificates({ cert, key, clientCa }: TlsFiles) {
  return {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ...(clientCa !== undefined && { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true }),
  };
}

async function readVersion({ cert, key, clientCa }: TlsFiles): Promise<string> {
  const files = [cert, key, ...(clientCa === undefined ? [] : [clientCa])];
  const found = await Promise.all(files.map((file) => stat(file)));
  return found.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join();
}
