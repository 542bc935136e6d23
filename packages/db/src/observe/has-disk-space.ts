import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';

const diskFull = '53100';
/** A `temp_file_limit` below 1 MB prevents the file, whatever the disk has. */
const fileTooLarge = '53400';
/** A value in the statement's set takes about 24 bytes, so Postgres writes about 1 MB. */
const values = 40_000;

/**
 * Whether Postgres can write a temporary file of about 1 MB. Postgres does not report the space of its disk, so this is how a full disk
 * is noticed. A role with `temp_tablespaces` writes the file there. True if the file is not allowed. Throws DatabaseError for any other error.
 *
 * Caller: `npm run status` and `npm run doctor`.
 * Locks: none.
 * Crash: Postgres deletes its temporary files at its next start.
 */
export async function hasDiskSpace(db: Database): Promise<boolean> {
  try {
    await db.query(
      (sql) => sql`
        select count(*)
        -- For this statement alone: a set that is larger than work_mem goes to a file.
        from (select set_config('work_mem', '64kB', true) as work_mem) small
        -- It refers to the setting, so that it is made afterwards.
        cross join lateral generate_series(1, case when small.work_mem is null then 0 else ${values}::int end)`,
    );
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === diskFull) return false;
    if (error instanceof DatabaseError && error.code === fileTooLarge) return true;
    throw error;
  }
}
