import { hash } from 'node:crypto';
import { isPlainName } from '@auditbox/core/event/plain-name.ts';
import { tenantSchema } from '@auditbox/core/keys/key-bounds.ts';
import { expandGrants, type Grant, isGrant } from '@auditbox/core/keys/scopes.ts';
import { allTenants, oneTenant, type TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Caller } from '../http/caller.ts';
import { createIssuerKeys } from './issuer-keys.ts';
import type { OidcSettings } from './oidc-settings.ts';

/** Why a token is not valid, in words for its caller. */
interface WrongToken {
  readonly kind: 'wrong';
  readonly reason: string;
}

/** Callers with a token of the issuer. */
export interface TokenCallers {
  /** Throws IssuerUnavailableError. */
  find(token: string): Promise<{ readonly kind: 'valid'; readonly caller: Caller } | WrongToken>;
}

/** Whether a bearer token has the form of a JSON Web Token. No key of Auditbox has it. */
export function isTokenForm(text: string): boolean {
  return text.length <= 16_384 && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

/** A signature takes 70 to 170 µs to check, and callers send the same token with every request. */
const cacheMs = 10_000;
const maxCached = 1_000;

export function createTokenCallers(settings: OidcSettings): TokenCallers {
  const keys = createIssuerKeys(settings.issuer, settings.cooldownMs);
  const known = new Map<string, { readonly at: number; readonly payload: JWTPayload }>();

  async function verify(token: string): Promise<JWTPayload> {
    const name = hash('sha256', token);
    const found = known.get(name);
    if (found !== undefined && performance.now() - found.at < cacheMs && isInTime(found.payload, settings))
      return found.payload;
    const { payload } = await jwtVerify(token, keys, {
      issuer: settings.issuer,
      audience: settings.audience,
      algorithms: [...settings.algorithms],
      clockTolerance: settings.clockToleranceS,
      requiredClaims: ['exp', 'sub'],
    });
    if (known.size >= maxCached) known.clear();
    known.set(name, { at: performance.now(), payload });
    return payload;
  }

  return {
    async find(token) {
      try {
        return toCaller(await verify(token), settings);
      } catch (error) {
        // jose's errors are about the token, also the one of a key that the issuer does not have.
        if (error instanceof errors.JOSEError) return wrong(explain(error));
        throw error;
      }
    },
  };
}

function isInTime({ exp = 0 }: JWTPayload, { clockToleranceS }: OidcSettings): boolean {
  return Date.now() / 1000 < exp + clockToleranceS;
}

function toCaller(payload: JWTPayload, settings: OidcSettings) {
  const subject = payload.sub ?? '';
  if (subject === '' || subject.length > 256 || !isPlainName(subject)) return wrong('its subject is not a plain name');
  const tenant = readTenant(payload, settings.tenantClaim);
  if (tenant === null) return wrong(`its claim "${settings.tenantClaim}" names no tenant`);
  const recordedBy = `oidc:${settings.issuer}:${subject}`;
  const caller: Caller = {
    id: `oidc:${subject}`,
    name: subject,
    recordedBy,
    scopes: expandGrants(readGrants(payload, settings)),
    tenant,
    bounds: {},
    // A token lives for minutes; the rights of the person do not end with it.
    expiresAtMs: null,
    isStillValid: async () => isInTime(payload, settings),
  };
  return { kind: 'valid', caller } as const;
}

/** Null if the token must name a tenant and does not. */
function readTenant(payload: JWTPayload, claim: string | null): TenantScope | null {
  if (claim === null) return allTenants;
  const named = tenantSchema.safeParse(payload[claim]);
  return named.success ? oneTenant(named.data) : null;
}

function readGrants(payload: JWTPayload, { scopeClaim, scopeMap }: OidcSettings): Grant[] {
  const claim = payload[scopeClaim];
  const words = Array.isArray(claim) ? claim : typeof claim === 'string' ? claim.split(' ') : [];
  return words.flatMap((word: unknown) => {
    if (typeof word !== 'string') return [];
    const mapped = scopeMap.get(word);
    if (mapped !== undefined) return [mapped];
    return isGrant(word) ? [word] : [];
  });
}

function wrong(reason: string): WrongToken {
  return { kind: 'wrong', reason };
}

/** In our words: jose's may quote the token. */
function explain(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `its claim "${error.claim}" is not accepted here`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not accepted here';
  if (error instanceof errors.JWKSNoMatchingKey) return 'its issuer has no such key';
  return 'it is not signed by its issuer';
}
