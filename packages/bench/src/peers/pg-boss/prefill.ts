import { PgBoss } from 'pg-boss';
import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { eventObject } from '../event-object-sql.ts';
import { inChunks } from '../in-chunks.ts';
import { type DrainPeer, jobName } from '../peer.ts';

/** pg-boss with one job per event, sent in the writer's transaction, and its batch workers. */
export const pgBoss: DrainPeer = {
  name: 'pg-boss',
  async prefill(databaseUrl, rows) {
    const boss = new PgBoss({ connectionString: databaseUrl, supervise: false, schedule: false });
    boss.on('error', (error: Error) => process.stderr.write(`${error}\n`));
    await boss.start();
    // A separate table, as the documentation recommends for queues with many jobs.
    await boss.createQueue(jobName, { partition: true });
    const model = await boss.send(jobName, {});
    if (!model) throw new Error('pg-boss did not accept the job.');
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    // Copies all columns from a job that pg-boss created. With its `insert`, the events would go to Node and back.
    await inChunks(rows, (first, last) =>
      sql.unsafe(`
        insert into pgboss.job
        select filled.*
        from pgboss.job model, (${eventsSql(String(first), String(last))}) e,
          jsonb_populate_record(model, jsonb_build_object(
            'id', gen_random_uuid(), 'data', ${eventObject}, 'created_on', now(), 'start_after', now()
          )) filled
        where model.name = '${jobName}' and model.id = '${model}'`),
    );
    await boss.deleteJob(jobName, model);
    await sql`vacuum analyze`;
    await sql.end();
    await boss.stop();
  },
  program: new URL('program.ts', import.meta.url),
};
