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
    context json
  );
  create table outbox (
    id bigint generated always as identity primary key,
    audit_id uuid not null,
    status text not null default 'pending',
    created_at timestamptz not null default now()
  );
  create index outbox_pending on outbox (id) where status = 'pending'`;

/** Indexes for the filters that our api offers. */
const indexes = [
  'occurred_at, id',
  'recorded_at, id',
  'changed_by, occurred_at',
  'changed_by_api_key, occurred_at',
  'action, occurred_at',
  'table_name, occurred_at',
  'object_id, occurred_at',
];

/** Creates the tables of the two-INSERT api in an empty database. */
export async function createTwoInsertTables(databaseUrl: string, { indexed }: { indexed: boolean }): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(tables).simple();
  if (indexed) await sql.unsafe(indexes.map((columns) => `create index on audit (${columns})`).join(';')).simple();
  await sql.end();
}
