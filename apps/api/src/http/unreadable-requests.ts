import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { breakConnection } from './break-connection.ts';
import { HttpProblem, printProblem } from './problem.ts';

/*
 * Requests that do not reach the app. Node would answer them by itself, without the headers that all other answers have and without
 * a problem document.
 */

/** What to answer, by the code of Node's error. Null: the connection failed, and nobody is there to read an answer. */
function explain(code: string): readonly [status: number, detail: string] | null {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'The request took too long to arrive.'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'The extensions of the chunks are too long.'];
    case 'HPE_HEADER_OVERFLOW':
      return [431, 'The headers are too long.'];
    default:
      // Others are those of sockets, and of TLS before a request.
      return code.startsWith('HPE_') ? [400, 'The request is unreadable: it is not HTTP.'] : null;
  }
}

export interface Refuser {
  /** Answers a request instead of the app, and closes its connection behind it. */
  refuse(response: ServerResponse, status: number, detail: string): void;
  /** Whether the connection closes behind the answer to a refused request: what follows on it is not answered. */
  isRefused(socket: Socket): boolean;
}

/** The body of a refused request may still arrive for this long, and with this many bytes. */
const lingerMs = 5_000;
const lingerBytes = 1024 * 1024;

/** Resolves when the body has arrived, or has been waited for. Nothing of it is kept. */
function awaitBody(request: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let bytes = 0;
  request.on('data', ({ length }: Buffer) => {
    bytes += length;
    if (bytes > lingerBytes) resolve();
  });
  request.once('close', resolve);
  const timer = setTimeout(resolve, lingerMs);
  return promise.finally(() => clearTimeout(timer));
}

/** A request that the app answers, and those that wait behind it on its connection. */
export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  waiting: (readonly [IncomingMessage, ServerResponse])[];
}

/** Answers requests that cannot be read. `exchanges` has what the app answers on each connection now. */
export function refuseUnreadable(
  server: Server,
  headers: ReadonlyMap<string, string>,
  exchanges: ReadonlyMap<Socket, Exchange>,
): Refuser {
  const refused = new WeakSet<Socket>();
  /** Connections that were answered and are read on, and up to how many bytes. */
  const lingering = new WeakMap<Socket, number>();

  function print(status: number, detail: string) {
    const requestId = randomUUID();
    const body = printProblem(new HttpProblem(status, detail), requestId);
    return {
      body,
      lines: {
        ...Object.fromEntries(headers),
        'x-request-id': requestId,
        'content-type': 'application/problem+json; charset=utf-8',
        'content-length': String(Buffer.byteLength(body)),
        date: new Date().toUTCString(),
        connection: 'close',
      },
    };
  }

  function refuse(response: ServerResponse, status: number, detail: string): void {
    const { body, lines } = print(status, detail);
    const { req: request } = response;
    refused.add(request.socket);
    response.writeHead(status, lines).write(body);
    // A connection that closes while a body arrives is reset, and the caller may lose the answer.
    void awaitBody(request).then(() => response.end());
  }

  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, duplex) => {
    const socket = duplex as Socket;
    const until = lingering.get(socket);
    if (until !== undefined) {
      // What the caller sends behind the unreadable text is unreadable too, and so is its end.
      if (socket.readableEnded || socket.bytesRead > until || explain(code) === null) socket.destroy();
      return;
    }
    const explained = explain(code);
    if (explained === null || !socket.writable) return void socket.destroy();
    const exchange = exchanges.get(socket);
    // Text behind the beginning of an answer would look like a part of it.
    if (exchange?.response.headersSent)
      return exchange.response.writableEnded ? socket.destroySoon() : breakConnection(socket);
    if (exchange?.request.complete) return closeAfter(exchange);
    const [status] = explained;
    const { body, lines } = print(...explained);
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    const answer = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`;
    endAfter(socket, answer);
  });

  /** Answers, and reads on for a while: a connection that closes while its caller still sends is reset, and the answer may be lost. */
  function endAfter(socket: Socket, answer: string): void {
    lingering.set(socket, socket.bytesRead + lingerBytes);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    socket.end(answer);
  }

  /** The unreadable text stands behind a whole request, whose answer must not say that it was not read. */
  function closeAfter(exchange: Exchange): void {
    exchange.waiting = [];
    exchange.response.shouldKeepAlive = false;
  }

  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    refuse(response, 417, 'Of expectations only 100-continue is met.'),
  );
  return { refuse, isRefused: (socket) => refused.has(socket) };
}
