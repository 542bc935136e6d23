import { and, eq, isNull, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import type { Database } from '../database/connect.ts';
import { apiKey } from '../schema.ts';

/** What a key may do. */
export type Scope = 'read' | 'write';

/** What is stored about a key, without the hash. */
export type StoredKey = Readonly<Pick<typeof apiKey.$inferSelect, 'name' | 'createdAt' | 'revokedAt'>> & {
  readonly scopes: readonly Scope[];
};

const storedKey = {
  name: apiKey.name,
  scopes: apiKey.scopes,
  createdAt: apiKey.createdAt,
  revokedAt: apiKey.revokedAt,
};

/**
 * Stores a key's hash. Returns false if a key of that name exists.
 *
 * Caller: `npm run keys`.
 * Locks: the new row.
 * Crash: the key is stored or not; the same call again returns false if it is.
 */
export async function createKey(
  db: Database,
  name: string,
  keyHash: string,
  scopes: readonly Scope[],
): Promise<boolean> {
  const values = { name, keyHash, scopes: [...scopes] };
  const rows = await db.query((client) =>
    drizzle(client).insert(apiKey).values(values).onConflictDoNothing().returning({ id: apiKey.id }),
  );
  return rows.length === 1;
}

/**
 * What the key with this hash may do, or null if there is no valid key.
 *
 * Caller: the api, for requests whose key is not cached.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findKeyScopes(db: Database, keyHash: string): Promise<readonly Scope[] | null> {
  const isValid = and(eq(apiKey.keyHash, keyHash), isNull(apiKey.revokedAt));
  const [row] = await db.query((client) =>
    drizzle(client).select({ scopes: apiKey.scopes }).from(apiKey).where(isValid).execute(),
  );
  return row ? (row.scopes as Scope[]) : null;
}

/**
 * All keys, oldest first.
 *
 * Caller: `npm run keys`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listKeys(db: Database): Promise<readonly StoredKey[]> {
  const rows = await db.query((client) =>
    drizzle(client).select(storedKey).from(apiKey).orderBy(apiKey.createdAt, apiKey.name).execute(),
  );
  return rows as StoredKey[];
}

/**
 * Revokes a key for ever. Returns false if there is no valid key of that name.
 *
 * Caller: `npm run keys`.
 * Locks: the key's row.
 * Crash: the key is revoked or not; the next call continues.
 */
export async function revokeKey(db: Database, name: string): Promise<boolean> {
  const isValid = and(eq(apiKey.name, name), isNull(apiKey.revokedAt));
  const rows = await db.query((client) =>
    drizzle(client).update(apiKey).set({ revokedAt: sql`now()` }).where(isValid).returning({ id: apiKey.id }).execute(),
  );
  return rows.length === 1;
}
