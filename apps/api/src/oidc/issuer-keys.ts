import { isLoopback } from '@auditbox/core/is-loopback.ts';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** The issuer's keys cannot be read now, so nobody can say whether a token is valid. */
export class IssuerUnavailableError extends Error {
  override readonly name = 'IssuerUnavailableError';
  readonly code = 'ISSUER_UNAVAILABLE';
}

/** Keys are read again after this time. Keys that were read go on being used while the issuer is down. */
const freshMs = 600_000;
const requestMs = 5_000;
/** After a failure. */
const retryMs = 5_000;
const maxBytes = 1024 * 1024;

type Keys = ReturnType<typeof createLocalJWKSet>;

/**
 * Finds the key of a token among those that the issuer publishes (OpenID Connect Discovery 1.0, RFC 7517). An unknown key
 * may be new, so it makes the keys be read again; but at most once in `cooldownMs`, because anyone can invent unknown keys.
 * Throws IssuerUnavailableError.
 */
export function createIssuerKeys(issuer: string, cooldownMs: number): JWTVerifyGetKey {
  let keys: Keys | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let lastError: unknown = null;
  let reading: Promise<void> | null = null;

  /** All requests share one reading. */
  function readOnce(): Promise<void> {
    if (reading !== null) return reading;
    const pauseMs = lastError === null ? cooldownMs : Math.min(cooldownMs, retryMs);
    if (performance.now() - triedAt < pauseMs) return Promise.resolve();
    triedAt = performance.now();
    reading = readKeys(issuer)
      .then((read) => {
        keys = createLocalJWKSet(read);
        readAt = performance.now();
        lastError = null;
      })
      .catch((error: unknown) => {
        lastError = error;
      })
      .finally(() => {
        reading = null;
      });
    return reading;
  }

  function requireKeys(): Keys {
    if (keys === null) throw unavailable(lastError);
    return keys;
  }

  return async (header, token) => {
    if (performance.now() - readAt >= freshMs) {
      const done = readOnce();
      if (keys === null) await done;
    }
    try {
      return await requireKeys()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await readOnce();
      // The key may be one that the issuer has made since its keys were read.
      if (lastError !== null) throw unavailable(lastError);
      return await requireKeys()(header, token);
    }
  };
}

function unavailable(cause: unknown): IssuerUnavailableError {
  return new IssuerUnavailableError('The keys of the issuer of tokens cannot be read.', { cause });
}

async function readKeys(issuer: string): Promise<JSONWebKeySet> {
  const metadata = await readJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (metadata.issuer !== issuer)
    throw new TypeError(
      `The issuer calls itself ${JSON.stringify(metadata.issuer)} and not ${JSON.stringify(issuer)}.`,
    );
  if (typeof metadata.jwks_uri !== 'string' || !isSafeUrl(metadata.jwks_uri))
    throw new TypeError('The jwks_uri of the issuer is not an https URL.');
  return (await readJson(metadata.jwks_uri)) as unknown as JSONWebKeySet;
}

/** Plain HTTP is for issuers on the same machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
}

async function readJson(url: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    // A redirect could lead to a place that the operator did not choose.
    redirect: 'error',
    signal: AbortSignal.timeout(requestMs),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxBytes) throw new RangeError(`${url} answered more than ${maxBytes} bytes.`);
    parts.push(part);
  }
  const value: unknown = JSON.parse(Buffer.concat(parts).toString());
  if (typeof value !== 'object' || value === null) throw new TypeError(`${url} did not answer a JSON object.`);
  return value as Readonly<Record<string, unknown>>;
}
