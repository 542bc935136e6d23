import type { HttpEnvironment } from './http-environment.ts';
import { readPathPrefix } from './path-prefix.ts';
import type { TlsFiles } from './tls-files.ts';

/** How long connections may take, and how many there may be. Times are in milliseconds. */
export interface ConnectionLimits {
  readonly max: number;
  /** Of one address, or of one IPv6 network. Proxies are not counted. */
  readonly maxPerAddress: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly stallMs: number;
  readonly keepAliveMs: number;
}

/** Bounds of the memory that bodies and answers hold at one moment. */
export interface FlightLimits {
  readonly totalBytes: number;
  readonly bytesPerKey: number;
}

/** What may happen in a minute. 0 has no limit. */
export interface RateLimits {
  /** Requests without a valid key, for each address. */
  readonly failedKeys: number;
  /** The others are for each key. */
  readonly requests: number;
  readonly events: number;
  readonly bytes: number;
}

/** How the api speaks HTTP. */
export interface HttpSettings {
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** Null: the main port serves everything. */
  readonly admin: { readonly host: string; readonly port: number } | null;
  /** What the paths of links begin with, without a slash at the end: `/auditbox`, or an empty text. */
  readonly pathPrefix: string;
  readonly trustedProxies: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly securityContact: string | null;
  /** Whether answers to reads are compressed where the caller accepts it. */
  readonly compresses: boolean;
  readonly rateLimits: RateLimits;
  readonly connections: ConnectionLimits;
  readonly bytesInFlight: FlightLimits;
}

export function nestHttpSettings(values: HttpEnvironment): HttpSettings {
  const { TLS_CERT_FILE: cert, TLS_KEY_FILE: key } = values;
  return {
    tls:
      cert === undefined || key === undefined
        ? null
        : Object.freeze({ cert, key, clientCa: values.TLS_CLIENT_CA_FILE }),
    admin: values.ADMIN_PORT === undefined ? null : Object.freeze({ host: values.ADMIN_HOST, port: values.ADMIN_PORT }),
    pathPrefix: values.PUBLIC_URL === undefined ? '' : (readPathPrefix(values.PUBLIC_URL) ?? ''),
    trustedProxies: Object.freeze([...values.TRUSTED_PROXIES]),
    // As browsers write them: in lower case, and without a port that follows from the scheme.
    corsOrigins: Object.freeze(values.CORS_ORIGINS.map((origin) => new URL(origin).origin)),
    securityContact: values.SECURITY_CONTACT ?? null,
    compresses: values.HTTP_COMPRESSION,
    rateLimits: Object.freeze({
      failedKeys: values.RATE_LIMIT_FAILED_KEYS,
      requests: values.RATE_LIMIT_REQUESTS,
      events: values.RATE_LIMIT_EVENTS,
      bytes: values.RATE_LIMIT_BYTES,
    }),
    connections: Object.freeze({
      max: values.HTTP_MAX_CONNECTIONS,
      maxPerAddress:
        values.HTTP_MAX_CONNECTIONS_PER_ADDRESS ?? Math.max(10, Math.floor(values.HTTP_MAX_CONNECTIONS / 4)),
      headersMs: values.HTTP_HEADERS_TIMEOUT_MS,
      requestMs: values.HTTP_REQUEST_TIMEOUT_MS,
      stallMs: values.HTTP_STALL_TIMEOUT_MS,
      keepAliveMs: values.HTTP_KEEP_ALIVE_MS,
    }),
    bytesInFlight: Object.freeze({
      totalBytes: values.HTTP_BYTES_IN_FLIGHT,
      bytesPerKey: values.HTTP_BYTES_IN_FLIGHT_PER_KEY,
    }),
  };
}
