import type { Sql } from 'postgres';

/** An advisory lock that every migrator of Auditbox takes. The number has no meaning. */
export const migrationLock = 7_283_104_911;

/**
 * Whether the three roles have rights in this database.
 *
 * Caller: `npm run migrate`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function haveRights(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ given: boolean }]>`
    select exists (
      select from pg_class, aclexplode(relacl) as entry
      where oid = 'audit_log'::regclass and entry.grantee = to_regrole('auditbox_api')
    ) as given`;
  return row.given;
}

/**
 * Gives the three roles their rights in this database and takes away what an earlier version gave. One transaction, so
 * that running processes keep their rights.
 *
 * Caller: `npm run migrate -- --roles`, and each later `npm run migrate` of the database, so that new tables are covered.
 * Locks: the migrators' lock, and no table.
 * Crash: all rights are granted, or none.
 */
export async function grantRights(sql: Sql): Promise<void> {
  await sql
    .unsafe(`
    select pg_advisory_xact_lock(${migrationLock});
    -- No role may write outbox rows, or audit rows without them: the trigger on audit_log writes the outbox with its
    -- owner's rights. Months of audit_log need no rights, because statements name the table.
    revoke all on audit_log, outbox, outbox_status, export_batch, pruned_event, api_key
      from auditbox_api, auditbox_exporter, auditbox_retention;

    grant usage on schema public to auditbox_api, auditbox_exporter, auditbox_retention;
    grant usage on schema drizzle to auditbox_api, auditbox_exporter;
    grant select on drizzle.__drizzle_migrations to auditbox_api, auditbox_exporter;
    grant execute on function audit_log_make_partition(timestamptz) to auditbox_api, auditbox_exporter;

    grant insert, select on audit_log to auditbox_api;
    grant select on outbox, outbox_status, export_batch, pruned_event, api_key to auditbox_api;
    grant execute on function audit_words(json, json, json) to auditbox_api;

    grant select on audit_log, outbox, outbox_status to auditbox_exporter;
    grant update (batch_id, quarantine_reason) on outbox to auditbox_exporter;
    grant select, insert, update, delete on export_batch to auditbox_exporter;
    grant usage on sequence export_batch_id_seq to auditbox_exporter;

    grant select on audit_log, outbox, outbox_status, export_batch, pruned_event to auditbox_retention;
    grant delete on audit_log to auditbox_retention;
    grant execute on function audit_log_close_month(text), audit_log_drop_month(text), outbox_prune(integer, integer)
      to auditbox_retention`)
    .simple();
}
