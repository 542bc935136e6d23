import type { Database } from '../database/connect.ts';

/**
 * The comment of the schema, which is the name of the cell if `npm run migrate` had DATABASE_CELLS.
 *
 * Caller: the api's check of its cells, and the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readSchemaComment(db: Database): Promise<string | null> {
  const [row] = await db.query(
    (sql) => sql<[{ comment: string | null }]>`
      select obj_description('auditbox'::regnamespace, 'pg_namespace') as comment`,
  );
  return row.comment;
}
