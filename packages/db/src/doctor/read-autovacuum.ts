import type { Database } from '../database/connect.ts';

export interface Autovacuum {
  readonly autovacuum: boolean;
  readonly trackCounts: boolean;
}

/** Whether the server vacuums by itself. Called by `npm run doctor`; takes no locks. */
export async function readAutovacuum(db: Database): Promise<Autovacuum> {
  const [row] = await db.query(
    (sql) => sql<[Autovacuum]>`
      select current_setting('autovacuum')::boolean as autovacuum, current_setting('track_counts')::boolean as "trackCounts"`,
  );
  return row;
}
