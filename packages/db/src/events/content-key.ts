import type { Database } from '../database/connect.ts';
import { type ContentHasher, createHasher } from './content-hash.ts';

/**
 * The function that hashes the content of events, with the key that the database keeps. The key is read at the first call;
 * a failed reading is tried again at the next one. Throws DatabaseError.
 */
export function createContentHasher(db: Database): () => Promise<ContentHasher> {
  let made: Promise<ContentHasher> | null = null;
  return () => {
    made ??= readContentKey(db).then(createHasher);
    made.catch(() => {
      made = null;
    });
    return made;
  };
}

/**
 * Caller: the api, once.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readContentKey(db: Database): Promise<string> {
  const [row] = await db.query((sql) => sql<[{ key: string }]>`select auditbox.content_key() as key`);
  return row.key;
}
