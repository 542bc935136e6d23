import { performance } from 'node:perf_hooks';
import type { Sql } from 'postgres';
import { listTags } from '../migrate/migrations.ts';
import { DatabaseError, toDatabaseError } from './database-error.ts';

/** A pool looks this often, while it is used, whether the schema became too new for this version. */
const everyMs = 5_000;

/** Refuses statements while the schema is too new for this version. */
export interface SchemaGuard {
  /** Null lets the statement pass at once; a promise must be awaited first. Throws DatabaseError. */
  admit(): Promise<void> | null;
}

/** `read` gets the name of the migration that a version must know, or null; it may fail. */
export function createSchemaGuard(read: () => Promise<string | null>): SchemaGuard {
  let state: { readonly tooNew: string | null } | null = null;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;

  async function check(): Promise<void> {
    try {
      const oldestReader = await read();
      state = { tooNew: isTooNew(oldestReader) ? oldestReader : null };
    } catch {
      // The statement itself shows what is wrong with the database.
    } finally {
      checkedAt = performance.now();
      running = null;
    }
  }

  function refuse(): void {
    if (state !== null && state.tooNew !== null) throw DatabaseError.schemaTooNew(state.tooNew);
  }

  return {
    admit() {
      if (running === null && performance.now() - checkedAt >= everyMs) running = check();
      // Later checks run while statements pass: a round trip in front of some requests would be felt.
      if (state === null && running !== null) return running.then(refuse);
      refuse();
      return null;
    },
  };
}

const ours = listTags().at(-1) ?? '';

/** Whether a version that knows `oldestReader` is needed, and this one does not know it. */
export function isTooNew(oldestReader: string | null): boolean {
  return oldestReader !== null && oldestReader > ours;
}

/**
 * The migration that a version must know to work with the schema, or null: any version may.
 *
 * Caller: the guard of a pool.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readOldestReader(sql: Sql): Promise<string | null> {
  try {
    const [row] = await sql<
      [{ tag: string | null }]
    >`select max(oldest_reader collate "C") as tag from auditbox.migration`;
    return row.tag;
  } catch (error) {
    // There is no schema yet, or one from before the column, or a login that may not read it.
    if (toDatabaseError(error)?.kind === 'unreachable') throw error;
    return null;
  }
}
