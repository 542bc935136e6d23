import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import type { apiKey } from '../schema.ts';
import { isoUtc } from '../sql/iso-utc.ts';

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
  readonly isRevoked: boolean;
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
 * What the key with this hash may do; null if there is no such key, or it has expired.
 *
 * Caller: the api, for requests whose key is not cached.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findKey(db: Database, keyHash: string): Promise<ValidKey | 'revoked' | null> {
  const [row] = await db.query(
    (sql) => sql<KeyRow[]>`
      select id as "rowId", key_id as "keyId", name, array_to_json(scopes)::text as scopes, tenant, bounds::text as bounds,
        -- Not rounded up, and never in year 10000, which no time of a key can have.
        floor(extract(epoch from least(expires_at, '9999-12-31T23:59:59.999Z')) * 1000)::bigint::text as "expiresAtMs",
        revoked_at is not null as "isRevoked"
      from auditbox.api_key
      where key_hash = ${keyHash} and (revoked_at is not null or expires_at is null or expires_at > now())`,
  );
  if (!row) return null;
  const { scopes, bounds, expiresAtMs, isRevoked, ...key } = row;
  if (isRevoked) return 'revoked';
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

/** Where a page of keys ends. */
export interface KeyPlace {
  /** ISO 8601 in UTC, with six fraction digits. */
  readonly createdAt: string;
  /** Of the row. */
  readonly rowId: string;
  /** With several cells: whose rows these are. Each cell has its own times and ids of them. */
  readonly cell?: string;
}

export interface KeyPage {
  readonly keys: readonly StoredKey[];
  /** Null on the last page. */
  readonly next: KeyPlace | null;
}

export interface KeyListQuery {
  readonly tenant: TenantScope;
  /** Null begins with the oldest key. */
  readonly after: KeyPlace | null;
  readonly limit: number;
}

/** A key may have 60 kB of bounds. Reading more of them at once would hold the process. */
const maxPageBytes = 1024 * 1024;
/** What a key has beyond its bounds, about. */
const otherBytes = 512;

/**
 * Secrets of keys, oldest first: `limit` at most, and about a megabyte.
 *
 * Caller: `npm run keys` and `GET /keys`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listKeys(db: Database, { tenant, after, limit }: KeyListQuery): Promise<KeyPage> {
  const rows = await db.query((sql) => {
    const isVisible = tenant.kind === 'all' ? sql`true` : sql`k.tenant = ${tenant.tenant}`;
    const isNext =
      after === null ? sql`true` : sql`(k.created_at, k.id) > (${after.createdAt}::timestamptz, ${after.rowId}::uuid)`;
    return sql<(StoredRow & { rowId: string; at: string; bytes: string })[]>`
      select ${storedColumns(sql)}, id as "rowId", ${isoUtc(sql, 'created_at')} as at,
        sum(octet_length(bounds::text) + ${otherBytes}::int) over (order by created_at, id)::text as bytes
      from (
        select * from auditbox.api_key k where ${isVisible} and ${isNext}
        order by k.created_at, k.id limit ${limit + 1}
      ) key
      order by created_at, id`;
  });
  const fitting = rows.findIndex(({ bytes }, index) => index >= limit || (index > 0 && Number(bytes) > maxPageBytes));
  const page = fitting === -1 ? rows : rows.slice(0, fitting);
  const last = page.at(-1);
  const next = fitting === -1 || last === undefined ? null : { createdAt: last.at, rowId: last.rowId };
  return { keys: page.map(({ rowId: _rowId, at: _at, bytes: _bytes, ...row }) => toStoredKey(row)), next };
}

/**
 * The newest secret of a key; null if the caller's tenant has no such key.
 *
 * Caller: `npm run keys` and the routes that change keys.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findStoredKey(db: Database, keyId: string, tenant: TenantScope): Promise<StoredKey | null> {
  const [row] = await db.query(
    (sql) => sql<StoredRow[]>`
      select ${storedColumns(sql)} from auditbox.api_key k
      where k.key_id = ${keyId}::uuid and ${tenant.kind === 'all' ? sql`true` : sql`k.tenant = ${tenant.tenant}`}
      order by k.replaced_at is null desc, k.created_at desc limit 1`,
  );
  return row === undefined ? null : toStoredKey(row);
}

function storedColumns(sql: Sql): Fragment {
  return sql`key_id as "keyId", name, prefix, tenant, created_at::text as "createdAt", created_by as "createdBy",
    expires_at::text as "expiresAt", replaced_at::text as "replacedAt", revoked_at::text as "revokedAt",
    revoked_by as "revokedBy", last_used_at::text as "lastUsedAt", last_used_address as "lastUsedAddress",
    array_to_json(scopes)::text as scopes, bounds::text as bounds`;
}

function toStoredKey({ scopes, bounds, ...row }: StoredRow): StoredKey {
  return { ...row, scopes: JSON.parse(scopes) as Grant[], bounds: JSON.parse(bounds) as KeyBounds };
}
