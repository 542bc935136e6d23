import { hash, timingSafeEqual } from 'node:crypto';
import { findKeyScopes, type Scope } from '@auditbox/db/keys/api-keys.ts';
import type { RequestHandler, Response } from 'express';
import type { ApiParts } from '../parts.ts';
import { HttpProblem } from './problem.ts';
import { readBearer } from './read-bearer.ts';

interface Caller {
  /** SHA-256 of the key, 64 hexadecimal digits. */
  readonly keyHash: string;
}

/** A revoked key stays valid for at most this long. */
const cacheMs = 5_000;
const maxCachedKeys = 10_000;

/** The hash that stands for a key in the database and in events. */
export function hashKey(key: string): string {
  return hash('sha256', key);
}

/** Makes handlers that let a request pass only with a key of the given scope; otherwise they throw a 401 or 403. */
export function createAuth({ settings, db }: Pick<ApiParts, 'settings' | 'db'>): (scope: Scope) => RequestHandler {
  const masterHash = settings.masterKey === null ? null : Buffer.from(hashKey(settings.masterKey));
  const cache = new Map<string, { readonly scopes: readonly Scope[] | null; readonly until: number }>();

  async function findScopes(keyHash: string): Promise<readonly Scope[] | null> {
    if (masterHash !== null && timingSafeEqual(Buffer.from(keyHash), masterHash)) return ['read', 'write'];
    const cached = cache.get(keyHash);
    if (cached && cached.until > performance.now()) return cached.scopes;
    const scopes = await findKeyScopes(db, keyHash);
    if (cache.size >= maxCachedKeys) cache.clear();
    // Unknown keys are cached too: strangers must not cost a query each time.
    cache.set(keyHash, { scopes, until: performance.now() + cacheMs });
    return scopes;
  }

  return (scope) => async (request, response, next) => {
    const key = readBearer(request);
    if (key === undefined) throw unauthorized('This route needs a key: Authorization: Bearer KEY.');
    const keyHash = hashKey(key);
    const scopes = await findScopes(keyHash);
    if (scopes === null) throw unauthorized('This key is unknown or revoked.');
    if (!scopes.includes(scope)) throw new HttpProblem(403, `This key does not have the scope "${scope}".`);
    response.locals.caller = { keyHash } satisfies Caller;
    next();
  };
}

/** The caller of a request that an auth handler let pass. */
export function getCaller(response: Response): Caller {
  return response.locals.caller as Caller;
}

/** A 401 with the challenge that RFC 9110 requires. */
export function unauthorized(detail: string): HttpProblem {
  return new HttpProblem(401, detail, { headers: { 'www-authenticate': 'Bearer' } });
}
