import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { brotliDecompressSync, inflateSync, unzipSync, zstdDecompressSync } from 'node:zlib';
import type { TlsMaterial } from '../tls/tls-files.ts';
import { hideSecrets } from './hide-secrets.ts';

/** An answer of a receiver. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most 1 MiB, without the secrets of the request. */
  readonly text: string;
  /** Whether the text is only the beginning. */
  readonly isCut: boolean;
}

/** One request. */
interface HttpRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** What no message may show, in addition to the values of the headers. */
  readonly secrets?: readonly string[];
}

/** Connections of one destination. No other destination waits for them. */
export interface HttpClient {
  /** Resolves to the whole answer, whatever its status is; redirects are not followed. Throws errors of the network and the signal's. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

/** How a client connects. */
export interface HttpOptions {
  /** Asked for each request. Another object than before ends the use of the connections that there are. */
  readonly tls?: () => TlsMaterial;
  /** Where HTTPS_PROXY and NO_PROXY are read. Loopback is reached without a proxy. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** How long a connection is used for new requests. */
  readonly connectionAgeMs?: number;
}

/** A longer answer is cut here: a receiver must not fill our memory. */
const mostAnswerBytes = 1024 * 1024;

/** Node removes idle connections later than common receivers do. A request on a closed connection fails and is sent again. */
const idleMs = 4_000;

/** A host may move while its old address still answers. So a busy connection ends too, and the next one looks the address up again. */
const usualConnectionAgeMs = 60_000;

const noMaterial: TlsMaterial = {};
const usualTls = () => noMaterial;

/** Answers about the request. Other errors may be of a host that is being replaced, so the next request looks the address up again. */
const statusesOfRequests: ReadonlySet<number> = new Set([400, 413, 422]);

export function createHttpClient({
  tls = usualTls,
  env = {},
  connectionAgeMs = usualConnectionAgeMs,
}: HttpOptions = {}): HttpClient {
  const common = { keepAlive: true, timeout: idleMs, scheduling: 'lifo' as const };
  const http = renewAgent(() => new HttpAgent(common), usualTls, connectionAgeMs);
  const https = renewAgent(
    (material) => new HttpsAgent({ ...common, ...proxyOf(env), ...material }),
    tls,
    connectionAgeMs,
  );
  return {
    send: async ({ method = 'POST', url, headers = {}, body = '', secrets }, signal) => {
      const own = { 'accept-encoding': 'identity', 'content-length': Buffer.byteLength(body) };
      const options = { method, headers: { ...headers, ...own }, signal };
      const request = url.startsWith('https:')
        ? requestHttps(url, { ...options, agent: https.current() })
        : requestHttp(url, { ...options, agent: http.current() });
      const answer = readAnswer(request);
      request.end(body);
      const { text, ...others } = await answer;
      return { ...others, text: hideSecrets(text, headers, secrets) };
    },
    close() {
      http.close();
      https.close();
    },
  };
}

/** HTTPS_PROXY is used for every host that NO_PROXY does not name, and never for loopback. */
function proxyOf(env: NonNullable<HttpOptions['env']>) {
  if (env.HTTPS_PROXY === undefined) return {};
  const direct = ['localhost', '127.0.0.1', '::1', ...(env.NO_PROXY ? [env.NO_PROXY] : [])].join();
  return { proxyEnv: { ...env, NO_PROXY: direct } };
}

/** An agent for each span of time and for each state of the TLS files. Connections of the former one end when they are idle. */
function renewAgent<A extends HttpAgent>(
  make: (material: TlsMaterial) => A,
  tls: () => TlsMaterial,
  ageMs: number,
): { current(): A; close(): void } {
  let material = tls();
  let [agent, former] = [make(material), make(material)];
  let madeAt = performance.now();
  return {
    current() {
      const now = tls();
      if (now === material && performance.now() - madeAt < ageMs) return agent;
      material = now;
      [agent, former] = [make(material), agent];
      madeAt = performance.now();
      return agent;
    },
    close() {
      agent.destroy();
      former.destroy();
    },
  };
}

function readAnswer(request: ClientRequest): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  request.on('error', reject);
  request.on('response', (response: IncomingMessage) => {
    const { socket, headers, statusCode: status = 0 } = response;
    const parts: Buffer[] = [];
    let bytes = 0;
    const end = (isCut: boolean) => {
      const isTaken = status >= 200 && status < 300;
      const isEarly = !request.writableFinished;
      // Something in between answers for a receiver that has a part of the request at most.
      if (isEarly && isTaken) reject(new EarlyAnswerError(status));
      const text = decode(Buffer.concat(parts), headers['content-encoding']);
      resolve({ status, headers, text, isCut });
      if (isEarly || isCut || !(isTaken || statusesOfRequests.has(status))) socket.destroy();
    };
    response.on('data', (part: Buffer) => {
      parts.push(part);
      bytes += part.length;
      if (bytes > mostAnswerBytes) end(true);
    });
    response.on('end', () => end(false));
    response.on('error', reject);
  });
  return promise;
}

class EarlyAnswerError extends Error {
  override readonly name = 'EarlyAnswerError';
  readonly code = 'EarlyAnswer';

  constructor(status: number) {
    super(`The receiver answered ${status} before it had the whole request.`);
  }
}

const most = { maxOutputLength: mostAnswerBytes };
const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => unzipSync(bytes, most),
  'x-gzip': (bytes) => unzipSync(bytes, most),
  deflate: (bytes) => inflateSync(bytes, most),
  br: (bytes) => brotliDecompressSync(bytes, most),
  zstd: (bytes) => zstdDecompressSync(bytes, most),
};

/** A proxy may compress an answer although nobody asked for it. One that cannot be unpacked is given as it is. */
function decode(bytes: Buffer, encoding = 'identity'): string {
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  try {
    return (decoder?.(bytes) ?? bytes).toString('utf8');
  } catch {
    return bytes.toString('utf8');
  }
}
