import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import { expandGrants, type Grant } from '@auditbox/core/keys/scopes.ts';
import { apiKeyPrefix, hashApiKey, makeApiKey } from '@auditbox/db/keys/key-form.ts';
import type { Caller } from '../http/caller.ts';

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
}

/** The bounds of a key that a caller makes: those that it wants, and its own ones, which it cannot give away. */
export function inheritBounds(wanted: KeyRights, caller: Caller): KeyRights {
  const { signs_keys: maySign = false, ...own } = caller.bounds;
  const { signs_keys: wantsSign = false, ...others } = wanted.bounds;
  return {
    scopes: wanted.scopes,
    tenant: wanted.tenant ?? (caller.tenant.kind === 'one' ? caller.tenant.tenant : null),
    bounds: { ...others, ...own, ...(maySign && wantsSign && { signs_keys: true }) },
  };
}

/** What a caller would gain by a key with these rights; null if nothing. Nobody can make or take a key that may do more. */
export function findGain({ scopes, tenant, bounds }: KeyRights, caller: Caller): string | null {
  const missing = [...expandGrants(scopes)].find((scope) => !caller.scopes.has(scope));
  if (missing !== undefined) return `Your key does not have the scope "${missing}".`;
  if (caller.tenant.kind === 'one' && tenant !== caller.tenant.tenant) return 'Your key is bound to another tenant.';
  const { signs_keys: maySign, ...own } = caller.bounds;
  if (bounds.signs_keys === true && maySign !== true) return 'Your key may not name API keys as authors.';
  const wider = Object.entries(own).find(
    ([name, bound]) => JSON.stringify(bounds[name as keyof KeyBounds]) !== JSON.stringify(bound),
  );
  return wider === undefined ? null : `The bounds of your key differ for ${wider[0]}.`;
}
