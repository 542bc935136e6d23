import { Agent as HttpAgent } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent } from 'node:https';
import type { SecureContext } from 'node:tls';
import { S3Client } from '@aws-sdk/client-s3';
import { createTrust } from './authorities.ts';
import { type Credentials, createCredentials, refusesCredentials } from './s3-credentials.ts';
import type { S3Settings } from './s3-settings.ts';

/** In addition to the uploads, one start-up probe and one check of an object may be in flight. */
const otherRequests = 2;

/** The SDK's client for the settings. It tries each request once, because retrying is the batch's job. */
export function createS3Client(settings: S3Settings, uploads: number): S3Client {
  const { region, endpoint, requestTimeoutMs } = settings;
  const pool = { keepAlive: true, maxSockets: uploads + otherRequests };
  const credentials = createCredentials(settings);
  const client = new S3Client({
    ...(region !== null && { region }),
    ...(endpoint !== null && { endpoint }),
    credentials: credentials.provide,
    forcePathStyle: settings.forcePathStyle,
    maxAttempts: 1,
    // We send our own checksum. Older S3-compatible stores reject the SDK's additional CRC32.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Our agents send the body at once, so this header would only be one more to misunderstand.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: settings.connectionTimeoutMs,
      // Without it, one request for credentials that is never answered stays open, and all later ones wait for it.
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      // Agents, not options: for a large body the SDK would make another agent, without the proxy and the authorities.
      httpAgent: new HttpAgent(pool),
      httpsAgent: createHttpsAgent(settings, pool),
    },
  });
  rejectWebPages(client);
  renewRefused(client, credentials);
  return client;
}

function createHttpsAgent(settings: S3Settings, pool: AgentOptions): HttpsAgent {
  const options = { ...pool, ...proxy(settings) };
  return settings.authorities === null
    ? new HttpsAgent(options)
    : new TrustingAgent(options, createTrust(settings.authorities));
}

/** Asks for the authorities at each new connection. */
class TrustingAgent extends HttpsAgent {
  readonly #trust: () => SecureContext;

  constructor(options: AgentOptions, trust: () => SecureContext) {
    super(options);
    this.#trust = trust;
  }

  override createConnection(...[options, callback]: Parameters<HttpsAgent['createConnection']>) {
    const trusting = { ...options, secureContext: this.#trust() };
    return super.createConnection(trusting, callback);
  }
}

function proxy({ proxy: through }: S3Settings) {
  if (through === null) return {};
  return { proxyEnv: { HTTPS_PROXY: through.url, ...(through.except !== null && { NO_PROXY: through.except }) } };
}

/** Files of credentials are rotated, and roles are revoked before their tokens end. */
function renewRefused(client: S3Client, credentials: Credentials): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const refuses = refusesCredentials(error);
        if (refuses === 'surely') credentials.forget();
        if (refuses === 'perhaps') credentials.doubt();
        throw error;
      }
    },
    { step: 'initialize', name: 'renewRefused' },
  );
}

/** A login page or a proxy may answer 200 to everything, even with an ETag. No store sends a web page for success. */
function rejectWebPages(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { statusCode, headers } = result.response as { statusCode: number; headers: Record<string, string> };
      // Some stores label even an empty answer as HTML.
      const isPage = headers['content-type']?.startsWith('text/html') && headers['content-length'] !== '0';
      if (statusCode >= 300 || !isPage) return result;
      throw Object.assign(new Error('The answer was a web page.'), { name: 'NoETag' });
    },
    { step: 'deserialize', name: 'rejectWebPages' },
  );
}
