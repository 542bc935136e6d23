import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';

/*
 * The tables. drizzle-kit makes `drizzle/` from this file; the view, the triggers and their functions are migrations
 * written by hand, since drizzle has no words for them.
 */

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: 'string' });

/**
 * The record: append-only (a trigger refuses UPDATE, DELETE and TRUNCATE), and partitioned by month of event time, for
 * which drizzle has no words: the migration `partitions` says so. Values are `json`, not `jsonb`: jsonb
 * rewrites numbers and key order, and a record of what was said keeps the words. Text fields are bounded because
 * an index entry is, and compare by their bytes (`collate "C"`, in that migration too).
 *
 * The indexes go from a filter to event time and id, so that a page comes in order whatever the statistics say.
 */
export const auditLog = pgTable(
  'audit_log',
  {
    id: uuid().notNull().default(sql`gen_random_uuid()`),
    /** Event time. The bounds keep out 'infinity' and years that RFC 3339 cannot write. */
    occurredAt: instant('occurred_at').notNull().default(sql`statement_timestamp()`),
    /** How many digits of the second's fraction came in, so that they go out again. */
    occurredAtDigits: smallint('occurred_at_digits').notNull().default(6),
    recordedAt: instant('recorded_at').notNull().default(sql`statement_timestamp()`),
    changedBy: text('changed_by').notNull(),
    changedByApiKey: text('changed_by_api_key').notNull().default(''),
    action: text().notNull(),
    tableName: text('table_name').notNull(),
    objectId: text('object_id').notNull(),
    beforeValue: json('before_value'),
    updatedValues: json('updated_values'),
    context: json(),
    /** Where the request that brought the event was traced (W3C Trace Context). Beside the event, no part of it. */
    traceparent: varchar({ length: 55 }),
    /** `team_id` and `token` at the top of `updated_values`; the former ones of `before_value`, where they differ. 512 characters. */
    teamId: text('team_id').generatedAlwaysAs(
      sql`case when strpos(updated_values::text, '"team_id"') > 0 then left(updated_values ->> 'team_id', 512) end`,
    ),
    formerTeamId: text('former_team_id').generatedAlwaysAs(
      sql`case when strpos(before_value::text, '"team_id"') > 0 then nullif(left(before_value ->> 'team_id', 512), left(updated_values ->> 'team_id', 512)) end`,
    ),
    keyHash: text('key_hash').generatedAlwaysAs(
      sql`case when strpos(updated_values::text, '"token"') > 0 then left(updated_values ->> 'token', 512) end`,
    ),
    formerKeyHash: text('former_key_hash').generatedAlwaysAs(
      sql`case when strpos(before_value::text, '"token"') > 0 then nullif(left(before_value ->> 'token', 512), left(updated_values ->> 'token', 512)) end`,
    ),
  },
  (t) => [
    primaryKey({ name: 'audit_log_pkey', columns: [t.id, t.occurredAt] }),
    index('audit_log_occurred_at_id').on(t.occurredAt, t.id),
    index('audit_log_recorded_at_id').on(t.recordedAt, t.id),
    index('audit_log_changed_by').on(t.changedBy, t.occurredAt, t.id),
    index('audit_log_changed_by_api_key').on(t.changedByApiKey, t.occurredAt, t.id),
    index('audit_log_action').on(t.action, t.occurredAt, t.id),
    index('audit_log_table_name').on(t.tableName, t.occurredAt, t.id),
    index('audit_log_object_id').on(t.objectId, t.occurredAt, t.id),
    index('audit_log_team_id').on(t.teamId, t.occurredAt, t.id).where(sql`team_id is not null`),
    index('audit_log_former_team_id').on(t.formerTeamId, t.occurredAt, t.id).where(sql`former_team_id is not null`),
    index('audit_log_key_hash').on(t.keyHash, t.occurredAt, t.id).where(sql`key_hash is not null`),
    index('audit_log_former_key_hash').on(t.formerKeyHash, t.occurredAt, t.id).where(sql`former_key_hash is not null`),
    check(
      'audit_log_occurred_at_in_range',
      sql`${t.occurredAt} >= timestamptz '1970-01-01 00:00:00+00' and ${t.occurredAt} < timestamptz '10000-01-01 00:00:00+00'`,
    ),
    check('audit_log_occurred_at_digits_in_range', sql`${t.occurredAtDigits} between 0 and 6`),
    check(
      'audit_log_texts_fit_an_index',
      sql`octet_length(${t.changedBy}) <= 2048 and octet_length(${t.changedByApiKey}) <= 2048 and octet_length(${t.action}) <= 2048 and octet_length(${t.tableName}) <= 2048 and octet_length(${t.objectId}) <= 2048`,
    ),
    check('audit_log_context_is_an_object', sql`json_typeof(${t.context}) in ('object', 'null')`),
  ],
);

/**
 * What must be exported: one row for an audit row and destination, written by a trigger on audit_log. Pending while
 * `batch_id` and `quarantine_reason` are null. No foreign keys: they would lock and look up ten thousand rows per
 * seal for what the one seal statement guarantees, and a rewritten audit row cannot happen.
 */
export const outbox = pgTable(
  'outbox',
  {
    id: bigint({ mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    auditId: uuid('audit_id').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    recordedAt: instant('recorded_at').notNull(),
    batchId: bigint('batch_id', { mode: 'bigint' }),
    /** Upper bound of the rendered line's bytes, newline included. */
    bytes: integer().notNull(),
    destination: text().notNull().default('s3'),
    quarantineReason: text('quarantine_reason'),
  },
  (t) => [
    unique('outbox_audit_id_destination').on(t.auditId, t.destination),
    index('outbox_pending').on(t.id).where(sql`batch_id is null and quarantine_reason is null`),
    index('outbox_batch').on(t.batchId).where(sql`batch_id is not null`),
    index('outbox_quarantined').on(t.id).where(sql`quarantine_reason is not null`),
    check('outbox_quarantined_is_in_no_batch', sql`batch_id is null or quarantine_reason is null`),
  ],
);

/**
 * Events whose outbox row was pruned: keeps their ids taken over all partitions, and says where they and their objects
 * are. Rows go with the partition of their event.
 */
export const prunedEvent = pgTable(
  'pruned_event',
  {
    id: uuid().primaryKey(),
    occurredAt: instant('occurred_at').notNull(),
    batchId: bigint('batch_id', { mode: 'bigint' }).notNull(),
  },
  (t) => [index('pruned_event_occurred_at').on(t.occurredAt)],
);

/**
 * One row for each object. A batch's rows are the outbox rows that name it; marking it done marks them done.
 * `sha256`, `object_key` and the sizes are written before the upload and never change once the batch is done.
 */
export const exportBatch = pgTable(
  'export_batch',
  {
    id: bigint({ mode: 'bigint' }).primaryKey().generatedByDefaultAsIdentity(),
    destination: text().notNull().default('s3'),
    partition: text().notNull(),
    state: text().notNull().default('sealed'),
    rowCount: integer('row_count').notNull(),
    firstOccurredAt: instant('first_occurred_at').notNull(),
    lastOccurredAt: instant('last_occurred_at').notNull(),
    sealedAt: instant('sealed_at').notNull().default(sql`clock_timestamp()`),
    attempts: integer().notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull().default(sql`clock_timestamp()`),
    leaseToken: uuid('lease_token'),
    leasedUntil: instant('leased_until'),
    sha256: text(),
    objectKey: text('object_key'),
    /** Of the uncompressed NDJSON. */
    bytes: bigint({ mode: 'bigint' }),
    /** Of the stored object. */
    objectBytes: bigint('object_bytes', { mode: 'bigint' }),
    exportedAt: instant('exported_at'),
    lastError: text('last_error'),
  },
  (t) => [
    index('export_batch_claimable').on(t.nextAttemptAt, t.id).where(sql`state in ('sealed', 'uploading')`),
    index('export_batch_failed').on(t.id).where(sql`state = 'failed'`),
    check('export_batch_state', sql`state in ('sealed', 'uploading', 'done', 'failed')`),
    check('export_batch_partition_form', sql`partition ~ '^\\d{4}-\\d{2}-\\d{2}(T\\d{2})?$'`),
    check('export_batch_has_rows', sql`row_count > 0`),
    check('export_batch_sha256_form', sql`sha256 ~ '^[0-9a-f]{64}$'`),
    check('export_batch_rendered_whole', sql`num_nulls(sha256, object_key, bytes, object_bytes) in (0, 4)`),
    check(
      'export_batch_lease_while_uploading',
      sql`num_nonnulls(lease_token, leased_until) = case state when 'uploading' then 2 else 0 end`,
    ),
    check(
      'export_batch_done_is_proven',
      sql`(state = 'done') = (exported_at is not null) and (state <> 'done' or sha256 is not null)`,
    ),
    check('export_batch_failed_says_why', sql`state <> 'failed' or last_error is not null`),
  ],
);

/** Who may call the api. The key itself is never stored. */
export const apiKey = pgTable(
  'api_key',
  {
    id: uuid().primaryKey().default(sql`gen_random_uuid()`),
    name: text().notNull().unique('api_key_name'),
    /** SHA-256 of the key, 64 hexadecimal digits: a key has 256 random bits, so it needs no slow hash. */
    keyHash: text('key_hash').notNull().unique('api_key_hash'),
    scopes: text().array().notNull(),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    revokedAt: instant('revoked_at'),
  },
  () => [check('api_key_scopes', sql`scopes <@ array['read', 'write'] and cardinality(scopes) > 0`)],
);
