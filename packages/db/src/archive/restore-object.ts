import type { Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { beginTransaction } from '../database/postgres-js.ts';
import type { FoundObject } from '../log/adopt-batch.ts';

export type Restored =
  | { readonly kind: 'restored'; readonly inserted: number; readonly present: number }
  /** The database has one of the events at another time, or in another batch. Nothing of the object was restored. */
  | { readonly kind: 'conflict' };

/** A statement has at most this number of lines. */
const linesAtOnce = 1_000;
/** It ends with the line that reaches this length: the driver and Postgres hold the text of a statement several times. */
const charactersAtOnce = 1024 * 1024;

/** Writers wait behind the lock, so that the wait for it is short. The caller tries again. */
const lockTimeout = '2s';

class Conflict extends Error {
  override readonly name = 'Conflict';
}

/**
 * Brings the events of an object back, with their ids and times as they were, as rows that are exported already: in the object
 * that they come from. An exporter does not export them again.
 *
 * The trigger that makes outbox rows sets `recorded_at` to now, so it is off during the transaction, and the outbox rows are
 * inserted here. If the database still has the object's batch, the rows get the batch's outbox ids; otherwise the batch is
 * adopted as after a restore of a backup.
 *
 * Caller: `npm run archive -- restore`, as the owner of the schema.
 * Locks: audit_log against all writers until the commit, then the frontier's row.
 * Crash: all events of the object are there or none; the call can be repeated.
 */
export async function restoreObject(
  db: Database,
  destination: string,
  object: FoundObject,
  lines: readonly string[],
): Promise<Restored> {
  try {
    return await beginTransaction(db.sql, '', async (tx) => {
      await becomeOwner(tx);
      const batchIds = await findOutboxIds(tx, destination, object);
      await tx`alter table only auditbox.audit_log disable trigger audit_log_to_outbox`;
      let inserted = 0;
      for (const some of takeStatements(lines)) inserted += await insertEvents(tx, some, batchIds);
      await tx`alter table only auditbox.audit_log enable always trigger audit_log_to_outbox`;
      if (inserted > 0 && batchIds === null) await adopt(tx, destination, object);
      return { kind: 'restored', inserted, present: lines.length - inserted };
    });
  } catch (error) {
    if (error instanceof Conflict) return { kind: 'conflict' };
    throw toDatabaseError(error) ?? error;
  }
}

function* takeStatements(lines: readonly string[]): Generator<readonly string[]> {
  for (let from = 0, at = 0; at < lines.length; from = at) {
    for (let length = 0; at < lines.length && at - from < linesAtOnce && length < charactersAtOnce; at += 1)
      length += (lines[at] as string).length;
    yield lines.slice(from, at);
  }
}

async function becomeOwner(tx: Sql): Promise<void> {
  const [row] = await tx<[{ owner: string }]>`
    select pg_get_userbyid(relowner) as owner from pg_class where oid = 'auditbox.audit_log'::regclass`;
  await tx`set local role ${tx(row.owner)}`;
  await tx`select set_config('lock_timeout', ${lockTimeout}, true)`;
}

/** The outbox ids of the batch whose object this is; null where the database does not know the object. */
async function findOutboxIds(tx: Sql, destination: string, { batchId, key }: FoundObject): Promise<string | null> {
  const [row] = await tx<{ ids: string }[]>`
    select b.outbox_ids::text as ids
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
    where d.destination = ${destination} and d.batch_id = ${batchId}::bigint and d.object_key = ${key} and d.state = 'done'`;
  return row?.ids ?? null;
}

async function insertEvents(tx: Sql, lines: readonly string[], batchIds: string | null): Promise<number> {
  const [row] = await tx<[{ inserted: number; misplaced: number }]>`
    with incoming as materialized (
      select l.place, r.*, r.updated_at::timestamptz as at,
        coalesce(length(substring(r.updated_at from '\\.(\\d+)')), 0)::smallint as digits
      from string_to_table(${lines.join('\n')}::text, e'\n') with ordinality as l (line, place)
      -- A column of type json keeps the text of its value.
      cross join lateral json_to_record(l.line::json) as r (
        id uuid, updated_at text, changed_by text, changed_by_api_key text, action text, table_name text, object_id text,
        before_value json, updated_values json, context json, recorded_at timestamptz, recorded_by text, tenant text,
        redacted json)
    ), inserted as (
      insert into auditbox.audit_log (id, occurred_at, occurred_at_digits, recorded_at, changed_by, changed_by_api_key, action,
        table_name, object_id, before_value, updated_values, context, recorded_by, tenant, redacted)
      select i.id, i.at, i.digits, i.recorded_at, i.changed_by, coalesce(i.changed_by_api_key, ''), i.action, i.table_name,
        i.object_id, i.before_value, i.updated_values, i.context, coalesce(i.recorded_by, ''), coalesce(i.tenant, ''), i.redacted
      from incoming i
      where not exists (select from auditbox.audit_log a where a.id = i.id and a.occurred_at = i.at)
      returning id
    ), unsent as (
      -- Each gets one of the batch's ids that no row has.
      select i.*, row_number() over (order by i.place) as n
      from incoming i where not exists (select from auditbox.outbox o where o.audit_id = i.id)
    ), free as (
      select ids.id, row_number() over (order by ids.id) as n
      from unnest(${batchIds}::int8multirange) r cross join lateral generate_series(lower(r), upper(r) - 1) as ids (id)
      where not exists (select from auditbox.outbox o where o.id = ids.id)
    ), queued as (
      insert into auditbox.outbox (id, audit_id, occurred_at, recorded_at, bytes)
      overriding system value
      select case when ${batchIds}::text is null then nextval('auditbox.outbox_id_seq') else f.id end,
        u.id, u.at, u.recorded_at,
        auditbox.line_bytes(u.changed_by || coalesce(u.changed_by_api_key, '') || u.action || u.table_name || u.object_id
          || coalesce(u.recorded_by, '') || coalesce(u.tenant, '') || coalesce(u.redacted::text, ''),
          u.before_value, u.updated_values, u.context)
      from unsent u left join free f on f.n = u.n
      where ${batchIds}::text is null or f.id is not null
      returning audit_id
    )
    select (select count(*)::int from inserted) as inserted,
      (select count(*)::int from incoming i join auditbox.outbox o on o.audit_id = i.id and o.occurred_at <> i.at)
        + (select count(*)::int from unsent) - (select count(*)::int from queued) as misplaced`;
  if (row.misplaced > 0) throw new Conflict();
  return row.inserted;
}

async function adopt(tx: Sql, destination: string, object: FoundObject): Promise<void> {
  const { key, batchId, partition, ids, sha256, bytes, objectBytes, lines, objectSha256 } = object;
  const [row] = await tx<[{ adoption: string }]>`
    select auditbox.adopt_batch(${destination}, ${batchId}::bigint, ${partition},
      array(select value::uuid from json_array_elements_text(${JSON.stringify(ids)}::text::json)),
      ${key}, ${sha256}, ${bytes}::bigint, ${objectBytes}::bigint, ${lines}, ${objectSha256}) as adoption`;
  if (row.adoption !== 'adopted') throw new Conflict();
}
