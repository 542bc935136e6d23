import { timingSafeEqual } from 'node:crypto';
import { type Scope, scopes } from '@auditbox/core/keys/scopes.ts';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { workFor } from '@auditbox/db/database/holder.ts';
import { hashApiKey, isApiKeyForm } from '@auditbox/db/keys/key-form.ts';
import type { Request, RequestHandler, Response } from 'express';
import type { KnownKey } from '../keys/known-keys.ts';
import { IssuerUnavailableError } from '../oidc/issuer-keys.ts';
import { isTokenForm, type TokenCallers } from '../oidc/token-callers.ts';
import type { ApiParts } from '../parts.ts';
import { addressOf } from './address-of.ts';
import { type Caller, getCallerSince, noteKeyHash, setCaller } from './caller.ts';
import type { Denial } from './denials.ts';
import { HttpProblem } from './problem.ts';
import { readBearer } from './read-bearer.ts';
import { routeTemplate } from './route-template.ts';

/** An answer to a caller that must be valid now may be this old. */
const recheckMs = 1_000;

const master: Caller = {
  id: 'master',
  name: 'master',
  recordedBy: 'key:master',
  scopes: new Set(scopes),
  tenant: allTenants,
  bounds: { signs_keys: true },
  expiresAtMs: null,
  isStillValid: async () => true,
};

/** Handlers that let a request pass only with a key. */
interface Auth {
  /** Throws a 401 or 403 unless the key is valid and has the scope. */
  requireScope(scope: Scope | 'any key'): RequestHandler;
  /**
   * For a route with a body, behind the body: a body may take minutes to arrive, and the key may have been revoked since the
   * request began. Throws a 401 then.
   */
  requireStillValid(scope: Scope | 'any key'): RequestHandler;
}

export function createAuth({
  settings,
  knownKeys,
  keyUses,
  denials,
  tokenCallers,
  metrics,
}: Pick<ApiParts, 'settings' | 'knownKeys' | 'keyUses' | 'denials' | 'tokenCallers' | 'metrics'>): Auth {
  const masterHash = settings.masterKey === null ? null : Buffer.from(hashApiKey(settings.masterKey));

  async function findCaller(request: Request, response: Response): Promise<Caller> {
    const token = readBearer(request);
    if (token === undefined) throw deny(request, 'no key', null, unauthorized(missingKey));
    if (tokenCallers !== null && isTokenForm(token)) return findByToken(request, token, tokenCallers);
    const keyHash = hashApiKey(token);
    noteKeyHash(response, keyHash);
    if (masterHash !== null && timingSafeEqual(Buffer.from(keyHash), masterHash)) {
      metrics.masterKeyUsed();
      return master;
    }
    // A mistyped or invented key is recognised by its checksum, and costs no query.
    const key = isApiKeyForm(token) ? await knownKeys.get(keyHash) : null;
    if (key === null) throw deny(request, 'unknown key', null, unauthorized(wrongKey));
    if (!key.allows(addressOf(request)))
      throw deny(request, 'address', key, new HttpProblem(403, 'This key may not be used from this address.'));
    keyUses.note(key.rowId, addressOf(request));
    return toCaller(key, async (maxAgeMs = recheckMs) => (await knownKeys.get(keyHash, maxAgeMs)) !== null);
  }

  async function findByToken(request: Request, token: string, callers: TokenCallers): Promise<Caller> {
    const found = await callers.find(token).catch((error: unknown) => {
      // A 401 would make callers throw good tokens away.
      throw error instanceof IssuerUnavailableError ? issuerUnavailable(error) : error;
    });
    if (found.kind === 'valid') return found.caller;
    const headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
    const problem = new HttpProblem(401, `This token is not valid: ${found.reason}.`, { headers });
    throw deny(request, 'wrong token', null, problem);
  }

  /** Notes the denial, and returns its problem. */
  function deny(
    request: Request,
    reason: Denial['reason'],
    key: Pick<Caller, 'id' | 'name' | 'tenant'> | KnownKey | null,
    problem: HttpProblem,
  ): HttpProblem {
    denials.note({
      reason,
      route: `${request.method} ${routeTemplate(request)}`,
      address: addressOf(request),
      key: key && { id: 'id' in key ? key.id : key.keyId, name: key.name },
      tenant: key?.tenant.kind === 'one' ? key.tenant.tenant : '',
    });
    return problem;
  }

  async function checkAgain(request: Request, caller: Caller, maxAgeMs: number): Promise<void> {
    if (!(await caller.isStillValid(maxAgeMs))) throw deny(request, 'unknown key', caller, unauthorized(wrongKey));
  }

  return {
    requireScope: (scope) => async (request, response, next) => {
      const caller = await findCaller(request, response);
      if (scope !== 'any key' && !caller.scopes.has(scope))
        throw deny(request, 'no scope', caller, new HttpProblem(403, `This key does not have the scope "${scope}".`));
      // Others notice within seconds. A stolen key must not make another key in that time.
      if (changingScopes.has(scope)) await checkAgain(request, caller, 0);
      setCaller(response, caller);
      workFor(caller.id, next);
    },
    requireStillValid(scope) {
      const isChange = changingScopes.has(scope);
      return (request, response, next) => {
        const { caller, since } = getCallerSince(response);
        if (!isChange && performance.now() - since < recheckMs) return next();
        checkAgain(request, caller, isChange ? 0 : recheckMs).then(() => next(), next);
      };
    },
  };
}

/** Requests with these scopes are rare, so that each looks its key up. */
const changingScopes: ReadonlySet<Scope | 'any key'> = new Set(['keys:admin', 'export:replay']);

const wrongKey = 'This key is unknown, expired or revoked.';
const missingKey = 'This route needs a key: Authorization: Bearer KEY.';

function toCaller(key: KnownKey, isStillValid: Caller['isStillValid']): Caller {
  const { keyId: id, name, recordedBy, scopes: granted, tenant, bounds, expiresAtMs } = key;
  return { id, name, recordedBy, scopes: granted, tenant, bounds, expiresAtMs, isStillValid };
}

function issuerUnavailable(cause: IssuerUnavailableError): HttpProblem {
  const problem = new HttpProblem(503, cause.message, { headers: { 'retry-after': '5' }, code: 'issuer-unavailable' });
  problem.cause = cause.cause;
  return problem;
}

/** A 401 with the challenge that RFC 9110 requires. */
export function unauthorized(detail: string): HttpProblem {
  return new HttpProblem(401, detail, { headers: { 'www-authenticate': 'Bearer' } });
}
