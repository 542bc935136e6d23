import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request as a receiver got it. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body as it came, which may be compressed. */
  readonly bytes: Buffer;
}

/**
 * What a receiver does with a request. `hang` never answers; `cut` closes the connection in the middle of the answer; `slow
 * loris` sends a byte of the answer now and then, for ever.
 */
export type ReceiverAnswer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Buffer }
  | 'hang'
  | 'cut'
  | 'slow loris';

/** An HTTP server that a test controls. */
export interface HttpReceiver {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  /** How it answers from now on. */
  answer: (request: ReceivedRequest) => ReceiverAnswer | Promise<ReceiverAnswer>;
  close(): Promise<void>;
}

/** Starts a receiver on a free port of loopback. With `tls` it speaks https. One that gets very many requests must not remember them. */
export async function startHttpReceiver(
  tls?: { key: string; certificate: string } | null,
  { remember = true } = {},
): Promise<HttpReceiver> {
  const requests: ReceivedRequest[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.certificate }) : createServer();
  const receiver = {
    url: '',
    requests,
    answer: (): ReceiverAnswer => ({ status: 200 }),
    async close() {
      for (const timer of timers) clearInterval(timer);
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  } satisfies HttpReceiver;
  server.on('request', async (incoming, response) => {
    const parts: Buffer[] = [];
    try {
      for await (const part of incoming) parts.push(part as Buffer);
    } catch {
      return;
    }
    const bytes = Buffer.concat(parts);
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: bytes.toString('utf8'), bytes };
    if (remember) requests.push(request);
    give(response, await (receiver as HttpReceiver).answer(request), timers);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  receiver.url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return receiver;
}

function give(response: ServerResponse, answer: ReceiverAnswer, timers: Set<NodeJS.Timeout>): void {
  if (answer === 'hang') return;
  if (answer === 'cut') {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.destroy());
    return;
  }
  if (answer === 'slow loris') {
    response.writeHead(200, { 'content-length': '1000000' });
    timers.add(setInterval(() => response.write('.'), 50));
    return;
  }
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body ?? '');
}
