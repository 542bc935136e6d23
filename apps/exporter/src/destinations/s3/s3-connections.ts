import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { ExporterConfig } from '../../settings.ts';

/** Most that a connection may take, unless a request may not take even that long. */
const connectionTimeoutMs = 5_000;

/** The start-up probe and a look at an object come besides the uploads. */
const besidesUploads = 2;

/**
 * How requests reach the store and STS. The agents are made here rather than described to the SDK: for a large body
 * it would make another of its own, without the proxy and the authorities.
 */
export function connectionsOf(config: ExporterConfig): NonNullable<S3ClientConfig['requestHandler']> {
  const { S3_REQUEST_TIMEOUT_MS: requestTimeout } = config;
  const pool = { keepAlive: true, maxSockets: config.EXPORT_CONCURRENCY + besidesUploads };
  return {
    connectionTimeout: config.S3_CONNECTION_TIMEOUT_MS ?? Math.min(connectionTimeoutMs, requestTimeout),
    // Without it a look-up of credentials that nobody answers would stay under way, and all later ones wait for it.
    requestTimeout,
    throwOnRequestTimeout: true,
    httpAgent: new HttpAgent(pool),
    httpsAgent: new HttpsAgent({ ...pool, ...trust(config), ...proxy(config) }),
  };
}

/** Given a context, Node need not read some hundred and fifty authorities anew for each connection. */
function trust({ S3_CA_FILE: authorities }: ExporterConfig) {
  if (authorities === undefined) return {};
  return { secureContext: createSecureContext({ ca: [...getCACertificates('default'), ...authorities] }) };
}

function proxy({ HTTPS_PROXY, NO_PROXY }: ExporterConfig) {
  if (HTTPS_PROXY === undefined) return {};
  return { proxyEnv: { HTTPS_PROXY, ...(NO_PROXY !== undefined && { NO_PROXY }) } };
}
