import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { readKnownFile, rereadFiles, rereadMs } from '@auditbox/process/reread-files.ts';
import { breakConnection } from './break-connection.ts';
import { listCommonHeaders } from './common-headers.ts';
import type { ConnectionLimits } from './http-settings.ts';
import { noteArrival, spread } from './long-work.ts';
import { readCertificates, type TlsFiles } from './tls-files.ts';
import { type Exchange, type Refuser, refuseUnreadable } from './unreadable-requests.ts';

/** Node looks for slow requests this often. Its default is 30 s, longer than some of the limits. */
const checkSlowRequestsMs = 5_000;

/** Requests of one connection that wait for the answer of the one before. No known client sends more than one. */
const maxWaiting = 16;

/** A new connection has this long for its first request when the server closes: the request may be on its way. */
const firstRequestMs = 500;

/**
 * Headers of a request. Node drops those behind its limit without a word: one of them may be the X-Forwarded-For of a proxy,
 * behind two thousand of its caller.
 */
const maxHeaders = 200;

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
        for (const socket of unused) socket.destroy();
      }, firstRequestMs);
      server.once('close', () => clearTimeout(endUnused));
      for (const exchange of exchanges.values()) closeBehindAnswer(exchange);
    },
    breakConnections() {
      for (const socket of exchanges.keys()) breakConnection(socket);
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

function countMoved({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}

/**
 * The target `http://host/path`, which proxies get and servers must accept, as the path (RFC 9112). Express finds no path in some
 * of these targets, and then answers by itself. Without a path it is the front door, unless the host is wrong.
 */
function toOriginForm(target: string): string {
  const [origin = ''] = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target) ?? [];
  const path = target.slice(origin.length);
  if (origin === '' || path.startsWith('/')) return path;
  return URL.canParse(target) ? `/${path}` : `/${target}`;
}

/**
 * Gives the app one request of each connection at a time. Node gives it all requests that arrive together: 2,000 small ones
 * in one read hold the process for 200 ms, and all of their answers are in memory before the first one is read. A connection
 * with more requests than may wait is broken.
 */
function serveInTurn(
  server: Server,
  app: RequestListener,
  exchanges: Map<Socket, Exchange>,
  { refuse }: Refuser,
): void {
  function serve(socket: Socket, exchange: Exchange): void {
    const { request, response } = exchange;
    response.on('close', () => {
      // The answer to a rejected body is often complete before the body, and is lost if the connection closes before its end.
      if (request.complete || socket.destroyed) serveNext(socket, exchange);
      else request.once('end', () => serveNext(socket, exchange));
    });
    request.url = toOriginForm(request.url ?? '/');
    app(request, response);
  }

  function serveNext(socket: Socket, exchange: Exchange): void {
    const next = socket.destroyed ? undefined : exchange.waiting.shift();
    if (next === undefined) {
      exchanges.delete(socket);
      if (!server.listening) socket.destroySoon();
    } else {
      [exchange.request, exchange.response] = next;
      serve(socket, exchange);
    }
  }

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    // The other requests of a packet still arrive after the connection was broken.
    if (socket.destroyed) return;
    if (request.rawHeaders.length > 2 * maxHeaders)
      return refuse(response, 431, `The request has more than ${maxHeaders} headers.`);
    if (request.httpVersion === '1.1' && request.headers.host === undefined)
      return refuse(response, 400, 'The request is unreadable: it has no header Host.');
    const exchange = exchanges.get(socket);
    if (exchange === undefined) {
      const first: Exchange = { request, response, waiting: [] };
      exchanges.set(socket, first);
      serve(socket, first);
    } else if (exchange.waiting.length < maxWaiting) exchange.waiting.push([request, response]);
    else {
      stopParsing(socket);
      breakConnection(socket);
    }
  });
}

/** What Node keeps at a connection, of which `onIncoming` gets each request. */
interface Parsed {
  readonly parser?: { onIncoming: () => number } | null;
}

/** What `onIncoming` returns to end the parsing, as it does for an upgrade to another protocol. */
const parseNoMore = 2;

/**
 * Ends the parsing of what has arrived on a connection. Otherwise Node makes a request of each of the thousands that one read
 * holds, and aborts each of them: that holds the process for 60 ms.
 */
function stopParsing(socket: Socket): void {
  const { parser } = socket as Parsed;
  if (parser) parser.onIncoming = () => parseNoMore;
}

/**
 * Reads the files of TLS again when they have changed, for new connections. `onError` gets the same error once. Returns a function
 * that ends it.
 */
export function reloadCertificates(
  server: Server,
  { cert, key, clientCa }: TlsFiles,
  { onReload, onError }: { onReload(): void; onError(error: unknown): void },
): () => void {
  if (!('setSecureContext' in server)) return () => {};
  const secure = server as Server & { setSecureContext(options: object): void };
  const ca = clientCa === undefined ? undefined : readKnownFile(clientCa);
  const check = rereadFiles(
    {
      files: { cert: readKnownFile(cert), key: readKnownFile(key), ca },
      made: undefined,
      make(files) {
        const authorities = files.ca === undefined ? {} : { ca: files.ca.text };
        secure.setSecureContext({ cert: files.cert.text, key: files.key.text, ...authorities, minVersion: 'TLSv1.2' });
      },
      onChange: onReload,
      onMistake: onError,
    },
    0,
  );
  const timer = setInterval(check, rereadMs);
  timer.unref();
  return () => clearInterval(timer);
}
