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
  /** Answers a request instead of the app, and closes its connection. */
  refuse(response: ServerResponse, status: number, detail: string): void;
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
    response.writeHead(status, lines).end(body);
  }

  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, duplex) => {
    const socket = duplex as Socket;
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
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`);
    socket.destroySoon();
  });

  /** The unreadable text stands behind a whole request, whose answer must not say that it was not read. */
  function closeAfter(exchange: Exchange): void {
    exchange.waiting = [];
    exchange.response.shouldKeepAlive = false;
  }

  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    refuse(response, 417, 'Of expectations only 100-continue is met.'),
  );
  return { refuse };
}
