import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  /** The bucket and the key. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** An S3 error that the proxy returns instead of the store's response. */
export interface InsteadOf {
  readonly status: number;
  readonly code: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * What the client gets instead of the store's response: an error, a broken connection, nothing at all, an unrelated web
 * page with status 200, or a response that never ends.
 */
export type Misbehaviour = InsteadOf | 'reset' | 'silence' | 'web page' | 'trickle';

/** Two more before the store gets the request: the connection breaks after half of the body, or If-None-Match is ignored. */
type Before = Misbehaviour | 'half the body' | 'overwrite' | undefined;
/**
 * Two more after the store has done it: the response has the checksum of other bytes, or ends after half of the object as if
 * that were all.
 */
type After = Misbehaviour | 'wrong checksum' | 'cut' | undefined;

/** Decides what happens to a request. Undefined passes it on to the store. */
interface Intervention {
  before?(seen: SeenRequest): Before | Promise<Before>;
  after?(seen: SeenRequest): After | Promise<After>;
}

/** An S3 endpoint between an exporter and a real store. It can fail on purpose, and it honours If-None-Match. */
export interface S3Proxy {
  readonly endpoint: string;
  /** Empty if `remember` is false. */
  readonly requests: SeenRequest[];
  /** The responses of the store itself, in order. */
  readonly answers: { readonly method: string; readonly path: string; readonly status: number }[];
  /** How often an object was written under each path. */
  readonly writes: ReadonlyMap<string, number>;
  intervene: Intervention;
  close(): Promise<void>;
}

/** The proxy refuses a second conditional PUT itself, because some stores, such as the embedded one, ignore the condition. */
export async function startS3Proxy(target: string, { remember = true } = {}): Promise<S3Proxy> {
  const requests: SeenRequest[] = [];
  const answers: { method: string; path: string; status: number }[] = [];
  const writes = new Map<string, number>();
  let writing: Promise<unknown> = Promise.resolve();
  const proxy: S3Proxy = { endpoint: '', requests, answers, writes, intervene: {}, close: async () => {} };

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await incoming.toArray());
    const { method = '', url: path = '', headers } = incoming;
    const seen: SeenRequest = { method, path, headers, body };
    if (remember) requests.push(seen);
    const before = await proxy.intervene.before?.(seen);
    if (before === 'half the body') return breakOff(target, seen, response);
    if (before && before !== 'overwrite') return misbehave(response, before);
    const createOnly = method === 'PUT' && headers['if-none-match'] === '*' && before !== 'overwrite';
    const result = await serially(async () =>
      createOnly && (await isThere(target, path))
        ? ({ status: 412, code: 'PreconditionFailed' } as const)
        : forward(target, seen),
    );
    if (method === 'PUT' && result.status === 200) writes.set(path, (writes.get(path) ?? 0) + 1);
    if (remember) answers.push({ method, path, status: result.status });
    const after = await proxy.intervene.after?.(seen);
    if (after && after !== 'wrong checksum' && after !== 'cut') return misbehave(response, after);
    if ('code' in result) return misbehave(response, result);
    const shown = after === 'cut' ? result.body.subarray(0, result.body.length >> 1) : result.body;
    const length = after === 'cut' && { 'content-length': String(shown.length) };
    const lie = after === 'wrong checksum' && { 'x-amz-checksum-sha256': Buffer.alloc(32).toString('base64') };
    response.writeHead(result.status, { ...result.headers, ...length, ...lie }).end(shown);
  }

  /** One at a time: of two simultaneous PUTs of one key only the first may find no object. */
  function serially<T>(work: () => Promise<T>): Promise<T> {
    const result = writing.then(work);
    writing = result.catch(() => {});
    return result;
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(proxy, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  });
}

function misbehave(response: ServerResponse, how: Misbehaviour): void {
  if (how === 'silence') return;
  if (how === 'reset') {
    response.destroy();
    return;
  }
  if (how === 'web page') {
    response
      .writeHead(200, { 'content-type': 'text/html', etag: '"5f-17"' })
      .end('<html><body>Please log in.</body></html>');
    return;
  }
  if (how === 'trickle') {
    response.writeHead(200, { 'content-type': 'application/xml' });
    const drip = setInterval(() => response.write(' '), 50);
    response.once('close', () => clearInterval(drip));
    return;
  }
  const { status, code, message = `${code} on purpose`, headers } = how;
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(xml);
}

async function isThere(target: string, path: string): Promise<boolean> {
  return (await fetch(`${target}${path.split('?')[0]}`, { method: 'HEAD' })).ok;
}

function forward(target: string, { method, path, headers, body }: SeenRequest) {
  return new Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }>((resolve, reject) => {
    // The Host header stays unchanged, because the client signed it.
    const outgoing = request(`${target}${path}`, { method, headers });
    outgoing.once('error', reject);
    outgoing.once('response', async (incoming) => {
      resolve({
        status: incoming.statusCode ?? 502,
        headers: incoming.headers,
        body: Buffer.concat(await incoming.toArray()),
      });
    });
    outgoing.end(body);
  });
}

function breakOff(target: string, { method, path, headers, body }: SeenRequest, response: ServerResponse): void {
  const outgoing = request(`${target}${path}`, { method, headers });
  outgoing.once('error', () => {});
  outgoing.write(body.subarray(0, body.length >> 1), () => {
    outgoing.destroy();
    response.destroy();
  });
}
