import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import type { Database } from '../database/connect.ts';
import type { apiKey } from '../schema.ts';

type Row = typeof apiKey.$inferSelect;

/** What is stored about a key, without the hash. Its columns with times are ISO 8601 as the database prints them. */
export type StoredKey = Readonly<
  Pick<
    Row,
    | 'keyId'
    | 'name'
    | 'prefix'
    | 'tenant'
    | 'createdAt'
    | 'createdBy'
    | 'expiresAt'
    | 'replacedAt'
    | 'revokedAt'
    | 'revokedBy'
    | 'lastUsedAt'
    | 'lastUsedAddress'
  >
> & { readonly scopes: readonly Grant[]; readonly bounds: KeyBounds };

/** As the database gives it: the driver knows no arrays, and JSON stays text. */
type StoredRow = Omit<StoredKey, 'scopes' | 'bounds'> & { readonly scopes: string; readonly bounds: string };
type KeyRow = Omit<ValidKey, 'grants' | 'bounds' | 'expiresAtMs'> & {
  readonly scopes: string;
  readonly bounds: string;
  readonly expiresAtMs: string | null;
};

/** What a key may do. */
export interface ValidKey {
  /** Of the row: of one secret of the key. */
  readonly rowId: string;
  readonly keyId: string;
  readonly name: string;
  readonly grants: readonly Grant[];
  /** Null: all tenants. */
  readonly tenant: string | null;
  readonly bounds: KeyBounds;
  /** Milliseconds since 1970, or null. */
  readonly expiresAtMs: number | null;
}

/**
 * What the key with this hash may do, or null if there is no valid key.
 *
 * Caller: the api, for requests whose key is not cached.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findKey(db: Database, keyHash: string): Promise<ValidKey | null> {
  const [row] = await db.query(
    (sql) => sql<KeyRow[]>`
      select id as "rowId", key_id as "keyId", name, array_to_json(scopes)::text as scopes, tenant, bounds::text as bounds,
        (extract(epoch from expires_at) * 1000)::bigint::text as "expiresAtMs"
      from auditbox.api_key
      where key_hash = ${keyHash} and revoked_at is null and (expires_at is null or expires_at > now())`,
  );
  if (!row) return null;
  const { scopes, bounds, expiresAtMs, ...key } = row;
  return {
    ...key,
    grants: JSON.parse(scopes) as Grant[],
    bounds: JSON.parse(bounds) as KeyBounds,
    expiresAtMs: expiresAtMs === null ? null : Number(expiresAtMs),
  };
}

/** A valid key that has a name. Each tenant has its own names. */
export type NamedKey = Readonly<Pick<Row, 'keyId' | 'tenant'>>;

/**
 * The valid keys with a name, of all tenants.
 *
 * Caller: `npm run keys`, and `POST /keys` with several cells.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findNamedKeys(db: Database, name: string): Promise<readonly NamedKey[]> {
  return db.query(
    (sql) => sql<NamedKey[]>`
      select key_id as "keyId", tenant from auditbox.api_key
      where name = ${name} and revoked_at is null and replaced_at is null
      order by created_at, key_id`,
  );
}

/**
 * All secrets of all keys, oldest first.
 *
 * Caller: `npm run keys` and `GET /keys`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listKeys(db: Database): Promise<readonly StoredKey[]> {
  const rows = await db.query(
    (sql) => sql<StoredRow[]>`
      select key_id as "keyId", name, prefix, tenant, created_at::text as "createdAt", created_by as "createdBy",
        expires_at::text as "expiresAt", replaced_at::text as "replacedAt", revoked_at::text as "revokedAt",
        revoked_by as "revokedBy", last_used_at::text as "lastUsedAt", last_used_address as "lastUsedAddress",
        array_to_json(scopes)::text as scopes, bounds::text as bounds
      from auditbox.api_key
      order by created_at, name`,
  );
  return rows.map((row) => ({
    ...row,
    scopes: JSON.parse(row.scopes) as Grant[],
    bounds: JSON.parse(row.bounds) as KeyBounds,
  }));
}
