import postgres from 'postgres';

/** The columns of our audit_log, and a small outbox. */
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
    context json,
    recorded_by text not null default 'key:bench',
    key_hash text generated always as (updated_values ->> 'token') stored
  );
  create table outbox (
    id bigint generated always as identity primary key,
    audit_id uuid not null,
    status text not null default 'pending',
    created_at timestamptz not null default now()
  );
  create index outbox_pending on outbox (id) where status = 'pending'`;

/** Indexes for the filters and pages that our api offers, without those that hold nothing here (teams, tenants). */
const indexes = [
  'occurred_at, id',
  'recorded_at, id',
  'changed_by, occurred_at, id',
  'changed_by_api_key, occurred_at, id',
  'action, occurred_at, id',
  'table_name, occurred_at, id',
  'object_id, occurred_at, id',
  'recorded_by, occurred_at, id',
  'key_hash, occurred_at, id',
];

/** Creates the tables of the two-INSERT api in an empty database. */
export async function createTwoInsertTables(databaseUrl: string, { indexed }: { indexed: boolean }): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(tables).simple();
  if (indexed) await sql.unsafe(indexes.map((columns) => `create index on audit (${columns})`).join(';')).simple();
  await sql.end();
}
