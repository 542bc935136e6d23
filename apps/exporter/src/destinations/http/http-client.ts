import { Agent as HttpAgent, type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { rootCertificates } from 'node:tls';
import { brotliDecompressSync, inflateSync, unzipSync, zstdDecompressSync } from 'node:zlib';

/** An answer of a receiver. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most 1 MiB. */
  readonly text: string;
}

/** One request. */
interface HttpRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** Connections of one destination. No other destination waits for them. */
export interface HttpClient {
  /** Resolves to the whole answer, whatever its status is; redirects are not followed. Throws errors of the network and the signal's. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

/** How a client connects. */
export interface HttpOptions {
  /** Certificates to trust in addition to the usual ones, in PEM. */
  readonly ca?: readonly string[] | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Where HTTPS_PROXY and NO_PROXY are read. Loopback is reached without a proxy. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A longer answer is cut here: a receiver must not fill our memory. */
const mostAnswerBytes = 1024 * 1024;

/** Node removes idle connections later than common receivers do. A request on a closed connection fails and is sent again. */
const idleMs = 4_000;

export function createHttpClient({ ca, cert, key, env = {} }: HttpOptions = {}): HttpClient {
  const common = { keepAlive: true, timeout: idleMs, scheduling: 'lifo' as const };
  const proxyEnv = env.HTTPS_PROXY === undefined ? {} : { proxyEnv: { NO_PROXY: 'localhost,127.0.0.1,::1', ...env } };
  const http = new HttpAgent(common);
  const https = new HttpsAgent({
    ...common,
    ...proxyEnv,
    ...(ca !== undefined && { ca: [...rootCertificates, ...ca] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
  return {
    send: ({ method = 'POST', url, headers = {}, body = '' }, signal) =>
      new Promise((resolve, reject) => {
        const isHttps = url.startsWith('https:');
        const own = { 'accept-encoding': 'identity', 'content-length': Buffer.byteLength(body) };
        const options = { method, headers: { ...headers, ...own }, signal };
        const request = isHttps
          ? requestHttps(url, { ...options, agent: https })
          : requestHttp(url, { ...options, agent: http });
        request.on('error', reject);
        request.on('response', (response) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          const answer = () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: decode(Buffer.concat(parts), response.headers['content-encoding']),
            });
          response.on('data', (part: Buffer) => {
            parts.push(part);
            bytes += part.length;
            if (bytes <= mostAnswerBytes) return;
            answer();
            request.destroy();
          });
          response.on('end', answer);
          response.on('error', reject);
        });
        request.end(body);
      }),
    close() {
      http.destroy();
      https.destroy();
    },
  };
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
