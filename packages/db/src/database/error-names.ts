/** The names that an error's fields usually give. */
export interface ErrorNames {
  readonly constraint: string | null;
  readonly table: string | null;
  /** The field of an event, or the path of a value. */
  readonly column: string | null;
}

const noNames: ErrorNames = { constraint: null, table: null, column: null };

/** What Citus adds to the name of a table, and so of its constraints, on a shard. */
const shard = /_\d{6,}$/;

/** Messages of Postgres about a constraint: the groups `constraint` and `table` are names. */
const ofServer: readonly RegExp[] = [
  /^duplicate key value violates unique constraint "(?<constraint>[^"]+)"/,
  /^new row for relation "(?<table>[^"]+)" violates check constraint "(?<constraint>[^"]+)"/,
  /^conflicting key value violates exclusion constraint "(?<constraint>[^"]+)"/,
  /^no partition of relation "(?<table>[^"]+)" found for row/,
  /^null value in column "[^"]+" of relation "(?<table>[^"]+)"/,
];

/** Messages of our functions, and the constraint that they name. Only SQLSTATEs about rows come with such a message. */
const ownMessages: readonly (readonly [RegExp, string])[] = [
  [/^the event \S+ is larger than 16 MiB$/, 'audit_log_event_fits'],
  [/^the event time of \S+ is more than 5 minutes in the future$/, 'audit_log_occurred_at_not_future'],
  [/^the event time of \S+ is more than 400 days ago$/, 'audit_log_occurred_at_too_old'],
  [/^recorded_at of \S+ was given; the database sets it$/, 'audit_log_recorded_at_is_now'],
  [/^recorded_by of \S+ was given; the database sets it$/, 'audit_log_recorded_by_is_ours'],
  [
    /^(?<column>\S+) of \S+ is empty, or has a control, bidirectional or zero-width character$/,
    'audit_log_names_are_plain',
  ],
  [
    /^the value (?<column>.+) of \S+ has a text with \\u0000 or half of a surrogate pair, which not every reader can read$/s,
    'audit_log_values_are_readable',
  ],
  [/^the value (?<column>\S+) of \S+ nests deeper than 500 levels$/, 'audit_log_values_are_readable'],
  [/^the id \S+ is taken by an event with another time$/, 'outbox_audit_id'],
  [/^an event with the id \S+ was recorded before, and retention removed it$/, 'outbox_audit_id'],
  [/^the id \S+ belongs to an event of another writer$/, 'outbox_audit_id'],
  [/^the id \S+ is stored with another content$/, 'outbox_audit_id'],
  [/^an outbox id would be in two batches$/, 'batch_ids_are_in_one_batch'],
  [/^the table \S+ is there but is not a month of audit_log$/, 'audit_log_month_detached'],
];

/**
 * The names in the message of an error that has no fields for them. Citus passes on SQLSTATE, message, detail and hint of a
 * shard's error, and not the names; those in the message are the shard's.
 */
export function namesInMessage(code: string, message: string): ErrorNames {
  if (!/^(23|55000$)/.test(code)) return noNames;
  for (const [form, constraint] of ownMessages) {
    const found = form.exec(message);
    if (found) return { constraint, table: null, column: found.groups?.column ?? null };
  }
  for (const form of ofServer) {
    const names = form.exec(message)?.groups;
    if (names) return { constraint: cut(names.constraint), table: cut(names.table), column: null };
  }
  return noNames;
}

function cut(name: string | undefined): string | null {
  return name?.replace(shard, '') ?? null;
}
