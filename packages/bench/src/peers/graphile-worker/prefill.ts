import { runMigrations } from 'graphile-worker';
import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { eventObject } from '../event-object-sql.ts';
import { inChunks } from '../in-chunks.ts';
import { type DrainPeer, jobName } from '../peer.ts';

/** graphile-worker with one job per event, added in the writer's transaction. */
export const graphileWorker: DrainPeer = {
  name: 'graphile-worker',
  async prefill(databaseUrl, rows) {
    await runMigrations({ connectionString: databaseUrl });
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    await inChunks(rows, (first, last) =>
      sql.unsafe(`
        select count(*) from graphile_worker.add_jobs(array(
          select ('${jobName}', ${eventObject}, null, null, null, null, null, null)::graphile_worker.job_spec
          from (${eventsSql(String(first), String(last))}) e
        ))`),
    );
    await sql`vacuum analyze`;
    await sql.end();
  },
  program: new URL('program.ts', import.meta.url),
};
