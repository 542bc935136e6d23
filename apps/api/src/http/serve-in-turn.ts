import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { breakConnection } from './break-connection.ts';
import type { Exchange, Refuser } from './unreadable-requests.ts';

/** Requests of one connection that wait for the answer of the one before. No known client sends more than one. */
const maxWaiting = 16;

/**
 * Headers of a request. Node drops those behind its limit without a word: one of them may be the X-Forwarded-For of a proxy,
 * behind two thousand of its caller.
 */
export const maxHeaders = 200;

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
export function serveInTurn(
  server: Server,
  app: RequestListener,
  exchanges: Map<Socket, Exchange>,
  { refuse, isRefused }: Refuser,
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
    if (socket.destroyed || isRefused(socket)) return;
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
