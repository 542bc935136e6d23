import type { Sql } from 'postgres';

/** The roles that processes and services run under, as members. Nobody logs in as one of them. */
export const processRoles = ['auditbox_api', 'auditbox_exporter', 'auditbox_retention', 'auditbox_writer'] as const;

/**
 * Whether the roles have rights in this schema.
 *
 * Caller: `npm run migrate`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function haveRights(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ given: boolean }]>`
    select exists (
      select from pg_class, aclexplode(relacl) as entry
      where oid = 'auditbox.audit_log'::regclass and entry.grantee = to_regrole('auditbox_api')
    ) as given`;
  return row.given;
}

/**
 * Gives the roles their rights in this schema and takes away what an earlier version gave.
 *
 * Caller: `npm run migrate -- --roles`, and each later `npm run migrate` of the schema, so that new tables are covered; in
 * the transaction of a migrator, as the owner. So running processes keep their rights.
 * Locks: no table.
 * Crash: all rights are granted, or none.
 */
export async function grantRights(tx: Sql): Promise<void> {
  await tx.unsafe(`
    revoke all on all tables in schema auditbox from ${everybody};
    revoke all on all sequences in schema auditbox from ${everybody};
    revoke all on all functions in schema auditbox from ${everybody};
    revoke all on schema auditbox from ${everybody};
    grant usage on schema auditbox to ${everybody};
    -- The triggers write the outbox with its owner's rights. Months need no rights, because statements name audit_log.
    ${api} ${exporter} ${retention} ${writer}`);
}

const everybody = processRoles.join(', ');

const eventColumns = `id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id,
  before_value, updated_values, context, traceparent, tenant`;
/** A service cannot say who it is: the column's default does. */
const apiEventColumns = `${eventColumns}, recorded_by, redacted, content_hash`;

const api = `
    grant select on auditbox.migration, auditbox.audit_log, auditbox.outbox, auditbox.outbox_status, auditbox.batch,
      auditbox.destination, auditbox.delivery, auditbox.rejection, auditbox.frontier, auditbox.log_head, auditbox.log_entry,
      auditbox.log_checkpoint, auditbox.api_key, auditbox.last_verify to auditbox_api;
    grant insert (${apiEventColumns}) on auditbox.audit_log to auditbox_api;
    grant execute on function auditbox.list_months(), auditbox.make_month(timestamptz), auditbox.oldest_transaction(),
      auditbox.audit_words(json, json, json), auditbox.member_in_text(json, text), auditbox.value_in_text(json, text[]),
      auditbox.content_key(), auditbox.create_key(json, json),
      auditbox.rotate_key(uuid, json, double precision, json), auditbox.revoke_key(uuid, json),
      auditbox.note_key_use(json), auditbox.pause_destination(text, boolean, json),
      auditbox.replay_failed(text, bigint[], bigint[], json), auditbox.outbox_holders(text),
      auditbox.outbox_ids_given() to auditbox_api;`;

/** A done delivery cannot be made by these rights: triggers allow only the arrows of STATES.md. */
const exporter = `
    grant select on auditbox.migration, auditbox.audit_log, auditbox.outbox, auditbox.outbox_status, auditbox.batch,
      auditbox.destination, auditbox.delivery, auditbox.rejection, auditbox.frontier, auditbox.log_head, auditbox.log_entry,
      auditbox.log_checkpoint, auditbox.last_verify to auditbox_exporter;
    grant select on sequence auditbox.outbox_id_seq, auditbox.batch_id_seq to auditbox_exporter;
    grant insert (name, is_paused, history_since, history_behind), update (is_paused, history_since, history_behind), delete
      on auditbox.destination to auditbox_exporter;
    grant insert (destination, batch_id), delete on auditbox.delivery to auditbox_exporter;
    grant update (state, attempts, next_attempt_at, lease_token, leased_until, sha256, object_key, ndjson_bytes,
      object_bytes, done_at, last_error, lines_root, object_sha256, log_index, next_row, sent_as) on auditbox.delivery to auditbox_exporter;
    -- Triggers let the log only grow.
    grant insert (destination, origin), update (size, published_size) on auditbox.log_head to auditbox_exporter;
    grant insert on auditbox.log_entry to auditbox_exporter;
    grant insert (destination, objects, differences, complete_before),
      update (finished_at, objects, differences, complete_before) on auditbox.last_verify to auditbox_exporter;
    grant insert (destination, size, root), update (note) on auditbox.log_checkpoint to auditbox_exporter;
    grant insert (destination, outbox_id, batch_id, audit_id, occurred_at, reason), delete on auditbox.rejection
      to auditbox_exporter;
    grant execute on function auditbox.seal(text, integer, bigint, double precision, integer, boolean),
      auditbox.seal_in_steps(text, integer, bigint, double precision, integer, boolean), auditbox.repair_frontier(),
      auditbox.reconcile_outbox(bigint, integer), auditbox.reconcile_audit_log(timestamptz, uuid, integer),
      auditbox.replay_rejections(text, bigint[]), auditbox.replay_failed(text, bigint[], bigint[], json),
      auditbox.pause_destination(text, boolean, json), auditbox.list_months(), auditbox.make_month(timestamptz),
      auditbox.oldest_transaction(), auditbox.capture_columns(regclass), auditbox.capture_body(regclass, json),
      auditbox.capture_tree(regclass), auditbox.type_under(oid) to auditbox_exporter;
    grant select on auditbox.captured_table to auditbox_exporter;`;

const retention = `
    grant select on auditbox.migration, auditbox.audit_log, auditbox.outbox, auditbox.outbox_status, auditbox.batch,
      auditbox.destination, auditbox.delivery, auditbox.rejection to auditbox_retention;
    grant execute on function auditbox.list_months(), auditbox.close_month(text),
      auditbox.count_unarchived(text, text), auditbox.find_awaiting_history(text), auditbox.drop_month(text, text),
      auditbox.forget_dropped(integer) to auditbox_retention;`;

/**
 * A service that writes by SQL: `returning id`, and `on conflict do nothing` for the same id and time. It may capture the
 * tables of roles that it is a member of.
 */
const writer = `
    grant insert (${eventColumns}), select (id, occurred_at) on auditbox.audit_log to auditbox_writer;
    grant execute on function
      auditbox.record(text, text, text, text, json, json, json, text, timestamptz, uuid),
      auditbox.as(text, json, text), auditbox.capture(regclass, text[], text[], text[], text[], integer, boolean, text, text),
      auditbox.recapture(regclass), auditbox.uncapture(regclass), auditbox.install_capture(regclass, json),
      auditbox.define_capture(regclass, json), auditbox.hide_capture(regclass), auditbox.capture_options(regclass),
      auditbox.capture_columns(regclass), auditbox.capture_body(regclass, json), auditbox.capture_tree(regclass), auditbox.type_under(oid),
      auditbox.forget_capture(text, text), auditbox.follow_rename(regclass),
      auditbox.require_capturable(regclass) to auditbox_writer;
    grant select on auditbox.captured_table to auditbox_writer;`;

/** One right that a role has: on a relation, a column of it, or a function. */
export interface Right {
  readonly role: string;
  readonly on: 'table' | 'sequence' | 'function';
  readonly name: string;
  /** Null for the whole relation. */
  readonly column: string | null;
  /** As Postgres names it: `SELECT`. */
  readonly privilege: string;
}

/** Every right that `grantRights` gives inside of the schema. */
export function listRights(): Right[] {
  const statements = [api, exporter, retention, writer].join('').matchAll(/grant ([^;]+?) on ([^;]+?) to (\w+);/g);
  return [...statements].flatMap(([, privileges = '', objects = '', role = '']) => {
    const [, on = 'table'] = /^(function|sequence)\s/.exec(objects) ?? [];
    const names = splitOutsideParentheses(objects).map((object) => /auditbox\.(\w+)/.exec(object)?.[1] ?? '');
    return splitOutsideParentheses(privileges).flatMap((text) => {
      const [, privilege = '', columns] = /^(\w+)(?:\s*\(([^)]*)\))?$/.exec(text) ?? [];
      const each = columns === undefined ? [null] : columns.split(',').map((column) => column.trim());
      return names.flatMap((name) =>
        each.map((column) => ({ role, on, name, column, privilege: privilege.toUpperCase() }) as Right),
      );
    });
  });
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}
