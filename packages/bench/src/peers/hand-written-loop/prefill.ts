import postgres from 'postgres';
import { eventsSql } from '../../workload/events-sql.ts';
import { inChunks } from '../in-chunks.ts';
import type { DrainPeer } from '../peer.ts';

const tables = `
  create table audit (
    id uuid primary key default gen_random_uuid(),
    occurred_at timestamptz not null default now(),
    occurred_at_digits smallint not null default 6,
    recorded_at timestamptz not null default now(),
    changed_by text not null,
    changed_by_api_key text not null default '',
    action text not null,
    table_name text not null,
    object_id text not null,
    before_value json,
    updated_values json,
    context json
  );
  create table outbox (
    id bigint generated always as identity primary key,
    audit_id uuid not null,
    status text not null default 'pending',
    created_at timestamptz not null default now()
  );
  create index outbox_pending on outbox (id) where status = 'pending'`;

/** An outbox table and `for update skip locked`, as in any article about it. */
export const handWrittenLoop: DrainPeer = {
  name: 'hand-written loop',
  async prefill(databaseUrl, rows) {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    await sql.unsafe(tables).simple();
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
