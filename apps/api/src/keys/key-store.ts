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
  listKeys,
  type NamedKey,
  type StoredKey,
  type ValidKey,
} from '@auditbox/db/keys/find-keys.ts';

/** Where keys are, whether in one database or in each of several. The functions of packages/db say more. */
export interface KeyStore {
  find(keyHash: string): Promise<ValidKey | null>;
  findNamed(name: string): Promise<readonly NamedKey[]>;
  list(): Promise<readonly StoredKey[]>;
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

/** The keys of one database. */
export function createKeyStore(db: Database): KeyStore {
  return {
    find: (keyHash) => findKey(db, keyHash),
    findNamed: (name) => findNamedKeys(db, name),
    list: () => listKeys(db),
    create: (key, by) => createKey(db, key, by),
    rotate: (keyId, secret, overlapS, by) => rotateKey(db, keyId, secret, overlapS, by),
    revoke: (keyId, by) => revokeKey(db, keyId, by),
    noteUse: (uses) => noteKeyUse(db, uses),
  };
}
