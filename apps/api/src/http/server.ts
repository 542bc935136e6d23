import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { breakConnection } from './break-connection.ts';
import { listCommonHeaders } from './common-headers.ts';
import type { ConnectionLimits } from './http-settings.ts';
import { noteArrival, spread } from './long-work.ts';
import { maxHeaders, serveInTurn } from './serve-in-turn.ts';
import { readCertificates, type TlsFiles } from './tls-files.ts';
import { type Exchange, refuseUnreadable } from './unreadable-requests.ts';

/** Node looks for slow requests this often. Its default is 30 s, longer than some of the limits. */
const checkSlowRequestsMs = 5_000;

/** A new connection has this long for its first request when the server closes: the request may be on its way. */
const firstRequestMs = 500;

/** The server of the api. It does not listen yet. */
export interface ApiServer {
  readonly server: Server;
  /** Takes no new connection, and closes each one once it has its answer. A caller that keeps its connection would hold up the end. */
  close(): void;
  /** Ends every connection. An answer that is not complete looks broken to its caller. */
  breakConnections(): void;
}

export function createServer(app: RequestListener, limits: ConnectionLimits, tls: TlsFiles | null): ApiServer {
  const options = {
    headersTimeout: limits.headersMs,
    requestTimeout: Math.max(limits.requestMs, limits.headersMs),
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: checkSlowRequestsMs,
    // Otherwise Node keeps the first of two keys or types, where a proxy in front may have checked the second one.
    joinDuplicateHeaders: true,
    // A request without one is refused below, with the headers of all answers.
    requireHostHeader: false,
  };
  const server =
    tls === null
      ? createHttpServer(options)
      : createHttpsServer({
          ...options,
          ...readCertificates(tls),
          minVersion: 'TLSv1.2',
          // Until it ends, no limit of a request is counted. Node's default is 120 s.
          handshakeTimeout: limits.headersMs,
        });
  server.maxConnections = limits.max;
  server.maxHeadersCount = maxHeaders + 1;
  server.timeout = limits.stallMs;
  server.on('connection', noteArrival);
  const exchanges = new Map<Socket, Exchange>();
  // Connections without a request. Load balancers and browsers open some in advance, and Node does not count them as idle.
  const unused = new Set<Socket>();
  server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => {
      unused.delete(socket);
      exchanges.delete(socket);
    });
  });
  // TLS connections before the end of their handshake, by the address at the other end.
  const shakingHands = new Map<string, Socket>();
  if (tls !== null) {
    server.on('connection', (socket: Socket) => {
      const peer = nameOf(socket);
      shakingHands.set(peer, socket);
      socket.once('close', () => shakingHands.delete(peer));
    });
    server.on('secureConnection', (socket: Socket) => shakingHands.delete(nameOf(socket)));
  }
  for (const event of ['request', 'checkExpectation'])
    server.on(event, ({ socket }: IncomingMessage) => unused.delete(socket));
  const refuser = refuseUnreadable(server, listCommonHeaders(tls !== null), exchanges);
  serveInTurn(server, app, exchanges, refuser);
  server.on('timeout', endStalled(exchanges, limits));
  return {
    server,
    close() {
      server.close();
      server.closeIdleConnections();
      const endUnused = setTimeout(() => {
        for (const socket of [...unused, ...shakingHands.values()]) socket.destroy();
      }, firstRequestMs);
      server.once('close', () => clearTimeout(endUnused));
      for (const exchange of exchanges.values()) closeBehindAnswer(exchange);
    },
    breakConnections() {
      for (const socket of exchanges.keys()) breakConnection(socket);
      for (const socket of shakingHands.values()) socket.destroy();
      server.closeAllConnections();
    },
  };
}

/** Closes the connection behind the answer, if that has not begun and no other request waits. */
function closeBehindAnswer(exchange: Exchange): void {
  const { request, response, waiting } = exchange;
  if (waiting.length > 0 || response.headersSent) return;
  if (request.complete) response.shouldKeepAlive = false;
  // Closing the connection while the body still arrives would lose the answer.
  else request.once('end', () => closeBehindAnswer(exchange));
}

/** Ends a connection on which nothing has moved. That is the caller's doing if a part of its body or of its answer is missing. */
function endStalled(exchanges: ReadonlyMap<Socket, Exchange>, { stallMs }: ConnectionLimits) {
  const end = spread(({ socket, moved, unsent }: { socket: Socket; moved: number; unsent: number }) => {
    // In a turn between the timeout and this one, something may have moved.
    if (socket.destroyed || countMoved(socket) !== moved || socket.writableLength !== unsent) return;
    const exchange = exchanges.get(socket);
    if (exchange === undefined || exchange.response.writableFinished) socket.destroy();
    else if (!exchange.request.complete || exchange.response.writableLength > 0 || unsent > 0) breakConnection(socket);
    else socket.setTimeout(stallMs);
  });
  return (socket: Socket) => end({ socket, moved: countMoved(socket), unsent: socket.writableLength });
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function countMoved({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}
