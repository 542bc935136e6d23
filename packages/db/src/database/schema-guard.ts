import { performance } from 'node:perf_hooks';
import type { Sql } from 'postgres';
import { readCellMark } from '../cells/cell-mark.ts';
import { listTags } from '../migrate/migrations.ts';
import { DatabaseError, toDatabaseError } from './database-error.ts';

/** A pool looks this often, while it is used, what the database says of itself. */
const everyMs = 5_000;

/** What a database says of itself. */
export interface SchemaFacts {
  /** The migration that a version must know to work with the schema; null: any version may. */
  readonly oldestReader: string | null;
  /** The name that `npm run migrate` gave it as a cell; null: none. */
  readonly cell: string | null;
}

/** Refuses statements while the schema is too new for this version, or the database is another cell than the settings say. */
export interface SchemaGuard {
  /** Null lets the statement pass at once; a promise must be awaited first. Throws DatabaseError. */
  admit(): Promise<void> | null;
}

/** `read` may fail. `cell` is the name that the settings have for the database, if it has one. */
export function createSchemaGuard(read: () => Promise<SchemaFacts>, cell?: string): SchemaGuard {
  let state: SchemaFacts | null = null;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;

  async function check(): Promise<void> {
    try {
      state = await read();
    } catch {
      // The statement itself shows what is wrong with the database.
    } finally {
      checkedAt = performance.now();
      running = null;
    }
  }

  function refuse(): void {
    if (state === null) return;
    if (state.oldestReader !== null && isTooNew(state.oldestReader))
      throw DatabaseError.schemaTooNew(state.oldestReader);
    if (cell !== undefined && state.cell !== null && state.cell !== cell)
      throw DatabaseError.anotherCell(state.cell, cell);
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
 * Caller: the guard of a pool.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readSchemaFacts(sql: Sql): Promise<SchemaFacts> {
  try {
    const [row] = await sql<[{ oldestReader: string | null; comment: string | null }]>`
      select max(oldest_reader collate "C") as "oldestReader",
        obj_description('auditbox'::regnamespace, 'pg_namespace') as comment
      from auditbox.migration`;
    return { oldestReader: row.oldestReader, cell: readCellMark(row.comment) };
  } catch (error) {
    // There is no schema yet, or one from before the column, or a login that may not read it.
    if (toDatabaseError(error)?.kind === 'unreachable') throw error;
    return { oldestReader: null, cell: null };
  }
}
