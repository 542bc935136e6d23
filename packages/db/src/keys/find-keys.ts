import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import type { Database } from '../database/connect.ts';
import { apiKey } from '../schema.ts';

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

const storedKey = {
  keyId: apiKey.keyId,
  name: apiKey.name,
  prefix: apiKey.prefix,
  scopes: apiKey.scopes,
  tenant: apiKey.tenant,
  bounds: apiKey.bounds,
  createdAt: apiKey.createdAt,
  createdBy: apiKey.createdBy,
  expiresAt: apiKey.expiresAt,
  replacedAt: apiKey.replacedAt,
  revokedAt: apiKey.revokedAt,
  revokedBy: apiKey.revokedBy,
  lastUsedAt: apiKey.lastUsedAt,
  lastUsedAddress: apiKey.lastUsedAddress,
};

/**
 * What the key with this hash may do, or null if there is no valid key.
 *
 * Caller: the api, for requests whose key is not cached.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findKey(db: Database, keyHash: string): Promise<ValidKey | null> {
  const isCurrent = or(isNull(apiKey.expiresAt), gt(apiKey.expiresAt, sql`now()`));
  const isValid = and(eq(apiKey.keyHash, keyHash), isNull(apiKey.revokedAt), isCurrent);
  const [row] = await db.query((client) =>
    drizzle(client)
      .select({
        rowId: apiKey.id,
        keyId: apiKey.keyId,
        name: apiKey.name,
        scopes: apiKey.scopes,
        tenant: apiKey.tenant,
        bounds: sql<string>`${apiKey.bounds}::text`,
        expiresAtMs: sql<string | null>`(extract(epoch from ${apiKey.expiresAt}) * 1000)::bigint::text`,
      })
      .from(apiKey)
      .where(isValid)
      .execute(),
  );
  if (!row) return null;
  const { scopes, bounds, expiresAtMs, ...key } = row;
  return {
    ...key,
    grants: scopes as Grant[],
    bounds: JSON.parse(bounds) as KeyBounds,
    expiresAtMs: expiresAtMs === null ? null : Number(expiresAtMs),
  };
}

/**
 * The id of the valid key with a name, or null.
 *
 * Caller: `npm run keys`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findKeyId(db: Database, name: string): Promise<string | null> {
  const isCurrent = and(eq(apiKey.name, name), isNull(apiKey.revokedAt), isNull(apiKey.replacedAt));
  const [row] = await db.query((client) =>
    drizzle(client).select({ keyId: apiKey.keyId }).from(apiKey).where(isCurrent).execute(),
  );
  return row?.keyId ?? null;
}

/**
 * All secrets of all keys, oldest first.
 *
 * Caller: `npm run keys` and `GET /keys`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listKeys(db: Database): Promise<readonly StoredKey[]> {
  const rows = await db.query((client) =>
    drizzle(client)
      .select({ ...storedKey, bounds: sql<string>`${apiKey.bounds}::text` })
      .from(apiKey)
      .orderBy(apiKey.createdAt, apiKey.name)
      .execute(),
  );
  return rows.map((row) => ({ ...row, scopes: row.scopes as Grant[], bounds: JSON.parse(row.bounds) as KeyBounds }));
}
