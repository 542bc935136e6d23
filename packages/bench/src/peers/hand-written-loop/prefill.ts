import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { inChunks } from '../in-chunks.ts';
import type { DrainPeer } from '../peer.ts';
import { createTwoInsertTables } from '../two-insert-tables.ts';

/** An outbox table and `for update skip locked`, as most articles describe it. */
export const handWrittenLoop: DrainPeer = {
  name: 'hand-written loop',
  async prefill(databaseUrl, rows) {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    await createTwoInsertTables(databaseUrl, { indexed: false });
    await inChunks(rows, (first, last) =>
      sql.unsafe(`
        with stored as (
          insert into audit (
            id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id,
            before_value, updated_values, context
          ) ${eventsSql(String(first), String(last))}
          returning id
        )
        insert into outbox (audit_id) select id from stored`),
    );
    await sql`vacuum analyze`;
    await sql.end();
  },
  program: new URL('program.ts', import.meta.url),
};
