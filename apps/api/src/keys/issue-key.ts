import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import { expandGrants, type Grant } from '@auditbox/core/keys/scopes.ts';
import { findWiderBound } from '@auditbox/core/keys/within-bounds.ts';
import type { Steps } from '@auditbox/core/steps.ts';
import { apiKeyPrefix, hashApiKey, makeApiKey } from '@auditbox/db/keys/key-form.ts';
import type { Caller } from '../http/caller.ts';
import { isNetworkWithin } from './networks.ts';

/** A new secret: the key itself, which is shown once, and what is stored of it. */
export function issueSecret(env: string): { readonly key: string; readonly hash: string; readonly prefix: string } {
  const key = makeApiKey(env);
  return { key, hash: hashApiKey(key), prefix: apiKeyPrefix(key) };
}

/** The rights of a key. */
export interface KeyRights {
  readonly scopes: readonly Grant[];
  readonly tenant: string | null;
  readonly bounds: KeyBounds;
  /** RFC 3339, or null for a key that does not expire. */
  readonly expiresAt: string | null;
}

/** The rights of a key that a caller makes: what it does not ask for is bound as the caller is. */
export function inheritRights({ scopes, tenant, bounds, expiresAt }: KeyRights, caller: Caller): KeyRights {
  const { signs_keys: _maySign, ...own } = caller.bounds;
  return {
    scopes,
    tenant: tenant ?? (caller.tenant.kind === 'one' ? caller.tenant.tenant : null),
    bounds: { ...own, ...bounds },
    expiresAt: expiresAt ?? (caller.expiresAtMs === null ? null : new Date(caller.expiresAtMs).toISOString()),
  };
}

/**
 * What a caller would gain by a key with these rights; null if nothing. Nobody can make or take a key that may do more. Works
 * in small steps.
 */
export function* findGain({ scopes, tenant, bounds, expiresAt }: KeyRights, caller: Caller): Steps<string | null> {
  const missing = [...expandGrants(scopes)].find((scope) => !caller.scopes.has(scope));
  if (missing !== undefined) return `Your key does not have the scope "${missing}".`;
  if (caller.tenant.kind === 'one' && tenant !== caller.tenant.tenant) return 'Your key is bound to another tenant.';
  const endsAt = expiresAt === null ? Infinity : Date.parse(expiresAt);
  if (caller.expiresAtMs !== null && !(endsAt <= caller.expiresAtMs)) return 'Your key expires before it.';
  const wider = yield* findWiderBound(bounds, caller.bounds, isNetworkWithin);
  if (wider === 'signs_keys') return 'Your key may not name API keys as authors.';
  return wider === null ? null : `Your key has narrower bounds for ${wider}.`;
}
