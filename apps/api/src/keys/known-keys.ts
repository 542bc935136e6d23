import { isPlainName } from '@auditbox/core/event/plain-name.ts';
import { expandGrants, type Scope } from '@auditbox/core/keys/scopes.ts';
import { allTenants, oneTenant, type TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { ValidKey } from '@auditbox/db/keys/find-keys.ts';
import type { KeyStore } from './key-store.ts';
import { createAddressCheck } from './networks.ts';

/** A valid key, ready for the checks of a request. */
export interface KnownKey extends Omit<ValidKey, 'grants' | 'tenant'> {
  readonly recordedBy: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly tenant: TenantScope;
  /** Whether a request may come from this address. */
  allows(address: string): boolean;
}

/** Keys by their hash, as the database had them a moment ago. */
export interface KnownKeys {
  /** The valid key with a hash; null if there is no such key. At most `maxAgeMs` old. Throws DatabaseError. */
  get(keyHash: string, maxAgeMs?: number): Promise<KnownKey | null>;
}

/** A revoked key stays valid for at most this long. */
const cacheMs = 5_000;
const maxCached = 10_000;

interface Entry {
  readonly at: number;
  readonly key: Promise<KnownKey | null>;
}

/** Unknown keys are remembered too: a stranger must not cost a query each time. */
export function createKnownKeys({ find }: Pick<KeyStore, 'find'>): KnownKeys {
  const entries = new Map<string, Entry>();

  function look(keyHash: string, now: number): Promise<KnownKey | null> {
    const key = find(keyHash).then((found) => (found === null || found === 'revoked' ? null : toKnownKey(found)));
    if (entries.size >= maxCached) entries.clear();
    const entry = { at: now, key };
    entries.set(keyHash, entry);
    // A failed look-up is not remembered.
    key.catch(() => {
      if (entries.get(keyHash) === entry) entries.delete(keyHash);
    });
    return key;
  }

  return {
    async get(keyHash, maxAgeMs = cacheMs) {
      const now = performance.now();
      const entry = entries.get(keyHash);
      const key = await (entry !== undefined && now - entry.at < maxAgeMs ? entry.key : look(keyHash, now));
      return key !== null && (key.expiresAtMs === null || key.expiresAtMs > Date.now()) ? key : null;
    },
  };
}

function toKnownKey({ grants, tenant, ...key }: ValidKey): KnownKey {
  // Names of old keys were not checked.
  const name = isPlainName(key.name) && key.name !== '' ? key.name : key.keyId;
  return {
    ...key,
    name,
    recordedBy: `key:${key.keyId}:${name}`,
    scopes: expandGrants(grants),
    tenant: tenant === null ? allTenants : oneTenant(tenant),
    allows: createAddressCheck(key.bounds.addresses),
  };
}
