import { and, eq, isNull, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import type { Database } from '../database/connect.ts';
import { apiKey } from '../schema.ts';

/** What a key may do. */
export type Scope = 'read' | 'write';

/** A stored key, without the key. */
export interface StoredKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

const storedKey = {
  name: apiKey.name,
  scopes: apiKey.scopes,
  createdAt: apiKey.createdAt,
  revokedAt: apiKey.revokedAt,
};

/** Stores a key's hash. False if there is a key of that name already. */
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

/** What the key with this hash may do, or null if there is none in force. */
export async function findKeyScopes(db: Database, keyHash: string): Promise<readonly Scope[] | null> {
  const inForce = and(eq(apiKey.keyHash, keyHash), isNull(apiKey.revokedAt));
  const [row] = await db.query((client) =>
    drizzle(client).select({ scopes: apiKey.scopes }).from(apiKey).where(inForce).execute(),
  );
  return row ? (row.scopes as Scope[]) : null;
}

/** All keys, oldest first. */
export async function listKeys(db: Database): Promise<readonly StoredKey[]> {
  const rows = await db.query((client) =>
    drizzle(client).select(storedKey).from(apiKey).orderBy(apiKey.createdAt, apiKey.name).execute(),
  );
  return rows as StoredKey[];
}

/** Ends a key for good. False if there is no such key in force. */
export async function revokeKey(db: Database, name: string): Promise<boolean> {
  const inForce = and(eq(apiKey.name, name), isNull(apiKey.revokedAt));
  const rows = await db.query((client) =>
    drizzle(client).update(apiKey).set({ revokedAt: sql`now()` }).where(inForce).returning({ id: apiKey.id }).execute(),
  );
  return rows.length === 1;
}
