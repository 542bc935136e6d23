import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import {
  createKey,
  type KeyUse,
  type NewKey,
  noteKeyUse,
  revokeKey,
  rotateKey,
} from '@auditbox/db/keys/change-keys.ts';
import type { ChangedBy } from '@auditbox/db/keys/changed-by.ts';
import {
  findKey,
  findNamedKeys,
  findStoredKey,
  type KeyListQuery,
  type KeyPage,
  listKeys,
  type NamedKey,
  type StoredKey,
  type ValidKey,
} from '@auditbox/db/keys/find-keys.ts';

/** Where keys are, whether in one database or in each of several. The functions of packages/db say more. */
export interface KeyStore {
  find(keyHash: string): Promise<ValidKey | 'revoked' | null>;
  findNamed(name: string): Promise<readonly NamedKey[]>;
  findStored(keyId: string, tenant: TenantScope): Promise<StoredKey | null>;
  list(query: KeyListQuery): Promise<KeyPage>;
  create(key: NewKey, by: ChangedBy | null): Promise<string | null>;
  rotate(
    keyId: string,
    secret: Pick<NewKey, 'hash' | 'prefix'>,
    overlapS: number,
    by: ChangedBy | null,
  ): Promise<boolean>;
  revoke(keyId: string, by: ChangedBy | null): Promise<boolean>;
  noteUse(uses: readonly KeyUse[]): Promise<void>;
}

/** The keys of one database. `lookUps` finds the keys of requests, which must not wait for anything else. */
export function createKeyStore(db: Database, lookUps = db): KeyStore {
  return {
    find: (keyHash) => findKey(lookUps, keyHash),
    findNamed: (name) => findNamedKeys(db, name),
    findStored: (keyId, tenant) => findStoredKey(db, keyId, tenant),
    list: (query) => listKeys(db, query),
    create: (key, by) => createKey(db, key, by),
    rotate: (keyId, secret, overlapS, by) => rotateKey(db, keyId, secret, overlapS, by),
    revoke: (keyId, by) => revokeKey(db, keyId, by),
    noteUse: (uses) => noteKeyUse(db, uses),
  };
}
