import { PgBoss } from 'pg-boss';
import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { eventObject } from '../event-object-sql.ts';
import { inChunks } from '../in-chunks.ts';
import type { DrainPeer } from '../peer.ts';
import { queue } from './queue.ts';

/** pg-boss with one job per event, sent in the writer's transaction, and its batch workers. */
export const pgBoss: DrainPeer = {
  name: 'pg-boss',
  async prefill(databaseUrl, rows) {
    const boss = new PgBoss({ connectionString: databaseUrl, supervise: false, schedule: false });
    boss.on('error', (error) => process.stderr.write(`${error}\n`));
    await boss.start();
    // A table of its own, as its documentation has it for queues with many jobs.
    await boss.createQueue(queue, { partition: true });
    const model = await boss.send(queue, {});
    if (!model) throw new Error('pg-boss did not take the job.');
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    // All columns as pg-boss sets them in a job that it made itself; through `insert` the events would go to Node and back.
    await inChunks(rows, (first, last) =>
      sql.unsafe(`
        insert into pgboss.job
        select filled.*
        from pgboss.job model, (${eventsSql(String(first), String(last))}) e,
          jsonb_populate_record(model, jsonb_build_object(
            'id', gen_random_uuid(), 'data', ${eventObject}, 'created_on', now(), 'start_after', now()
          )) filled
        where model.name = '${queue}' and model.id = '${model}'`),
    );
    await boss.deleteJob(queue, model);
    await sql`vacuum analyze`;
    await sql.end();
    await boss.stop();
  },
  program: new URL('program.ts', import.meta.url),
};
