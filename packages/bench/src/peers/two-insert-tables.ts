import postgres from 'postgres';

/** The columns and indexes of our own audit_log, and a thin outbox. */
const tables = `
  create table audit (
    id uuid primary key default gen_random_uuid(),
    occurred_at timestamptz(6) not null default statement_timestamp(),
    occurred_at_digits smallint not null default 6,
    recorded_at timestamptz(6) not null default statement_timestamp(),
    changed_by text not null,
    changed_by_api_key text not null default '',
    action text not null,
    table_name text not null,
    object_id text not null,
    before_value json,
    updated_values json,
    context json
  );
  create index audit_occurred_at_id on audit (occurred_at, id);
  create table outbox (
    id bigint generated always as identity primary key,
    audit_id uuid not null,
    status text not null default 'pending',
    created_at timestamptz not null default now()
  );
  create index outbox_pending on outbox (id) where status = 'pending'`;

/** Makes what the two-insert api writes to, in a database that has neither table yet. */
export async function createTwoInsertTables(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(tables).simple();
  await sql.end();
}
