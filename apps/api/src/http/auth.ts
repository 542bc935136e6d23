import { hash, timingSafeEqual } from 'node:crypto';
import type { Scope } from '@auditbox/db/keys/api-keys.ts';
import type { Request, RequestHandler, Response } from 'express';
import { HttpProblem } from './problem.ts';

/** Who calls: the SHA-256 of the key, 64 hexadecimal digits. */
export interface Caller {
  readonly keyHash: string;
}

export interface AuthDependencies {
  readonly masterKey: string | undefined;
  /** The scopes of the stored key with this hash, or null. */
  readonly findScopes: (keyHash: string) => Promise<readonly Scope[] | null>;
}

/** How long the answer about a key is remembered: a revoked key works this much longer at most. */
const rememberMs = 5_000;
const rememberMost = 10_000;

/** The hash under which a key is stored and filed. */
export function hashKey(key: string): string {
  return hash('sha256', key);
}

/** Makes handlers that let a request pass only with a key of the given scope: else 401 or 403. */
export function createAuth({ masterKey, findScopes }: AuthDependencies): (scope: Scope) => RequestHandler {
  const masterHash = masterKey === undefined ? null : Buffer.from(hashKey(masterKey));
  const remembered = new Map<string, { readonly scopes: readonly Scope[] | null; readonly until: number }>();

  async function scopesOf(keyHash: string): Promise<readonly Scope[] | null> {
    if (masterHash !== null && timingSafeEqual(Buffer.from(keyHash), masterHash)) return ['read', 'write'];
    const known = remembered.get(keyHash);
    if (known && known.until > performance.now()) return known.scopes;
    const scopes = await findScopes(keyHash);
    if (remembered.size >= rememberMost) remembered.clear();
    // An unknown key too: strangers must not cost a query each time.
    remembered.set(keyHash, { scopes, until: performance.now() + rememberMs });
    return scopes;
  }

  return (scope) => async (request, response, next) => {
    const key = bearerOf(request);
    if (key === undefined) throw unauthorized('This needs a key: Authorization: Bearer KEY.');
    const keyHash = hashKey(key);
    const scopes = await scopesOf(keyHash);
    if (scopes === null) throw unauthorized('This key is not known, or it was revoked.');
    if (!scopes.includes(scope)) throw new HttpProblem(403, `This key has no scope "${scope}".`);
    response.locals.caller = { keyHash } satisfies Caller;
    next();
  };
}

/** The caller of a request that an auth handler let pass. */
export function callerOf(response: Response): Caller {
  return response.locals.caller as Caller;
}

/** The key or token that a request brings, if any. */
export function bearerOf(request: Request): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** A 401 that says what is asked for. */
export function unauthorized(detail: string): HttpProblem {
  return new HttpProblem(401, detail, { headers: { 'www-authenticate': 'Bearer' } });
}
