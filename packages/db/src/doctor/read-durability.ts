import type { Database } from '../database/connect.ts';

export interface Durability {
  /** As in a session that sets nothing itself, of this role in this database. */
  readonly synchronousCommit: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousReplicas: boolean;
  /** `replica` here keeps triggers from firing. */
  readonly replicationRole: string;
}

/** Called by `npm run doctor`, on a connection that leaves the server's settings alone; takes no locks. */
export async function readDurability(db: Database): Promise<Durability> {
  const [row] = await db.query(
    (sql) => sql<[Durability]>`
      select current_setting('synchronous_commit') as "synchronousCommit", current_setting('fsync') as fsync,
        current_setting('full_page_writes') as "fullPageWrites",
        current_setting('synchronous_standby_names') <> '' as "synchronousReplicas",
        current_setting('session_replication_role') as "replicationRole"`,
  );
  return row;
}
