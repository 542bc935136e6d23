import { DatabaseSetup } from 'pg-transactional-outbox';
import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { eventObject } from '../event-object-sql.ts';
import { inChunks } from '../in-chunks.ts';
import type { DrainPeer } from '../peer.ts';

const names = {
  outboxOrInbox: 'outbox',
  // The roles are only for grants. The tables' owner needs no grants.
  database: '',
  listenerRole: '',
  schema: 'public',
  table: 'outbox',
  nextMessagesSchema: 'public',
  nextMessagesName: 'next_outbox_messages',
} as const;

/** Added by us. Without this index, the library's polling function sorts all pending rows at each call. */
const pollingIndex = `
  create index outbox_next on outbox (segment, created_at) include (id)
  where processed_at is null and abandoned_at is null`;

/** pg-transactional-outbox with its polling listener, one message per event. */
export const pgTransactionalOutbox: DrainPeer = {
  name: 'pg-transactional-outbox',
  async prefill(databaseUrl, rows) {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    await sql.unsafe(DatabaseSetup.dropAndCreateTable(names)).simple();
    await sql.unsafe(DatabaseSetup.createPollingFunction(names)).simple();
    await sql.unsafe(DatabaseSetup.setupPollingIndexes(names)).simple();
    await sql.unsafe(pollingIndex);
    await inChunks(rows, (first, last) =>
      sql.unsafe(`
        insert into outbox (id, aggregate_type, aggregate_id, message_type, concurrency, payload)
        select e.id, 'audit', e.object_id, e.action, 'parallel', ${eventObject}::jsonb
        from (${eventsSql(String(first), String(last))}) e`),
    );
    await sql`vacuum analyze`;
    await sql.end();
  },
  program: new URL('program.ts', import.meta.url),
};
