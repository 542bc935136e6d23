import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  json,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';

/*
 * The tables. drizzle-kit compares this file with `drizzle/meta`. What drizzle cannot express is written by hand in
 * `drizzle/`: partitions, collations, storage settings, the view, triggers and functions.
 */

/** `auditbox` stands for the schema that DATABASE_SCHEMA names. */
const auditbox = pgSchema('auditbox');

const int8multirange = customType<{ data: string }>({ dataType: () => 'int8multirange' });
const bytea = customType<{ data: string }>({ dataType: () => 'bytea' });
const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: 'string' });

/**
 * The record: append-only (a trigger refuses UPDATE, DELETE and TRUNCATE), and partitioned by month of event time. Values are `json`, not `jsonb`: jsonb
 * rewrites numbers and key order, and a record of what was said keeps the words. Text fields are bounded because
 * an index entry is, and compare by their bytes (`collate "C"`).
 *
 * The indexes go from a filter to event time and id, so that a page comes in order whatever the statistics say.
 */
export const auditLog = auditbox.table(
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
    /** Where the request that brought the event was traced (W3C Trace Context). Stored next to the event; not part of it. */
    traceparent: varchar({ length: 55 }),
    /**
     * Who wrote the event: `key:<id>:<name>`, `key:master`, `oidc:<subject>`, or the database login as `sql:<login>`. Only
     * the api may set it. Empty for events from before the column existed.
     */
    recordedBy: text('recorded_by').notNull().default(sql`'sql:' || session_user`),
    /** Whose event it is. Empty for events of no tenant. */
    tenant: text().notNull().default(''),
    /** JSON Pointers to the values that were replaced before the event was stored; null if nothing was replaced. */
    redacted: json(),
    /** HMAC-SHA256 of the content as it was sent, first 16 bytes. The api compares a repeated event by it. */
    contentHash: bytea('content_hash'),
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
    index('audit_log_recorded_by').on(t.recordedBy, t.occurredAt, t.id),
    index('audit_log_tenant').on(t.tenant, t.occurredAt, t.id).where(sql`tenant <> ''`),
    index('audit_log_team_id').on(t.teamId, t.occurredAt, t.id).where(sql`team_id is not null`),
    index('audit_log_former_team_id').on(t.formerTeamId, t.occurredAt, t.id).where(sql`former_team_id is not null`),
    index('audit_log_key_hash').on(t.keyHash, t.occurredAt, t.id).where(sql`key_hash is not null`),
    index('audit_log_former_key_hash').on(t.formerKeyHash, t.occurredAt, t.id).where(sql`former_key_hash is not null`),
    // The same members of values that are JSON text inside a JSON string. `predicates.ts` has the same expressions.
    index('audit_log_team_id_in_text')
      .on(
        sql`nullif(left(auditbox.member_in_text(updated_values, 'team_id'), 512), former_team_id) collate "C"`,
        t.occurredAt,
        t.id,
      )
      .where(sql`json_typeof(updated_values) = 'string' and strpos(updated_values::text, 'team_id') > 0`),
    index('audit_log_former_team_id_in_text')
      .on(
        sql`nullif(nullif(left(auditbox.member_in_text(before_value, 'team_id'), 512), team_id), left(auditbox.member_in_text(updated_values, 'team_id'), 512)) collate "C"`,
        t.occurredAt,
        t.id,
      )
      .where(sql`json_typeof(before_value) = 'string' and strpos(before_value::text, 'team_id') > 0`),
    index('audit_log_key_hash_in_text')
      .on(
        sql`nullif(left(auditbox.member_in_text(updated_values, 'token'), 512), former_key_hash) collate "C"`,
        t.occurredAt,
        t.id,
      )
      .where(sql`json_typeof(updated_values) = 'string' and strpos(updated_values::text, 'token') > 0`),
    index('audit_log_former_key_hash_in_text')
      .on(
        sql`nullif(nullif(left(auditbox.member_in_text(before_value, 'token'), 512), key_hash), left(auditbox.member_in_text(updated_values, 'token'), 512)) collate "C"`,
        t.occurredAt,
        t.id,
      )
      .where(sql`json_typeof(before_value) = 'string' and strpos(before_value::text, 'token') > 0`),
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
 * One row for each event, inserted by a trigger on audit_log in the event's transaction and never updated. It is also the
 * register of taken ids.
 */
export const outbox = auditbox.table(
  'outbox',
  {
    id: bigint({ mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    auditId: uuid('audit_id').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    recordedAt: instant('recorded_at').notNull(),
    /** Upper bound of the line's bytes, newline included. */
    bytes: integer().notNull(),
  },
  (t) => [primaryKey({ name: 'outbox_pkey', columns: [t.id] }), unique('outbox_audit_id').on(t.auditId)],
);

/** Up to which outbox id all rows are in a batch, except the gaps. One row; the session that locks it seals. */
export const frontier = auditbox.table(
  'frontier',
  {
    isTheOnlyRow: boolean('is_the_only_row').notNull().default(true),
    sealedUpTo: bigint('sealed_up_to', { mode: 'bigint' }).notNull().default(sql`0`),
    gaps: int8multirange().notNull().default('{}'),
    closing: int8multirange().notNull().default('{}'),
    closingXid: xid8('closing_xid'),
  },
  (t) => [
    primaryKey({ name: 'frontier_pkey', columns: [t.isTheOnlyRow] }),
    check('frontier_has_one_row', sql`is_the_only_row`),
    check('frontier_gaps_are_behind', sql`sealed_up_to >= 0 and upper(gaps) <= sealed_up_to + 1`),
    check('frontier_closing_are_gaps', sql`closing <@ gaps`),
    check('frontier_closing_has_xid', sql`isempty(closing) or closing_xid is not null`),
  ],
);

/** The rows of one object. A batch never changes. A trigger keeps each id in one batch. */
export const batch = auditbox.table(
  'batch',
  {
    id: bigint({ mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    partition: text().notNull(),
    outboxIds: int8multirange('outbox_ids').notNull(),
    rowCount: integer('row_count').notNull(),
    firstOccurredAt: instant('first_occurred_at').notNull(),
    lastOccurredAt: instant('last_occurred_at').notNull(),
    firstRecordedAt: instant('first_recorded_at').notNull(),
    sealedAt: instant('sealed_at').notNull().default(sql`clock_timestamp()`),
    /** The destination of a replay; its ids are in two batches. */
    replayFor: text('replay_for'),
    /** Whose events it holds, empty for events of no tenant; null for a batch of all tenants. */
    tenant: text(),
  },
  (t) => [
    primaryKey({ name: 'batch_pkey', columns: [t.id] }),
    index('batch_outbox_ids').using('gist', t.outboxIds).where(sql`replay_for is null`),
    index('batch_month').on(sql`date_trunc('month', first_occurred_at at time zone 'UTC')`, t.id),
    index('batch_partition').on(sql`partition collate "C"`, t.id),
    check('batch_partition_form', sql`partition ~ '^\\d{4}-\\d{2}-\\d{2}(T\\d{2})?$'`),
    check('batch_has_rows', sql`row_count > 0 and not isempty(outbox_ids)`),
  ],
);

/** Where batches go. The seal makes a delivery for each. */
export const destination = auditbox.table(
  'destination',
  {
    name: text().notNull(),
    isPaused: boolean('is_paused').notNull().default(false),
    createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
    /** The history that it asked for: batches with events at or after this time. Null asks for all of them. */
    historySince: instant('history_since'),
    /** The last batch whose delivery was added for the history; null when nothing is left to add. */
    historyBehind: bigint('history_behind', { mode: 'bigint' }),
  },
  (t) => [
    primaryKey({ name: 'destination_pkey', columns: [t.name] }),
    check('destination_name_form', sql`name ~ '^[a-z][a-z0-9-]{0,62}$'`),
  ],
);

/** One batch for one destination. The render is recorded before the upload and never changes once the delivery is done. */
export const delivery = auditbox.table(
  'delivery',
  {
    destination: text().notNull(),
    batchId: bigint('batch_id', { mode: 'bigint' }).notNull(),
    state: text().notNull().default('sealed'),
    attempts: integer().notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull().default(sql`clock_timestamp()`),
    leaseToken: uuid('lease_token'),
    leasedUntil: instant('leased_until'),
    /** When the wait or the lease was set. A trigger sets it. Null for one that is older than this column. */
    waitsSince: instant('waits_since').default(sql`clock_timestamp()`),
    /** Of the uncompressed NDJSON. */
    sha256: text(),
    objectKey: text('object_key'),
    ndjsonBytes: bigint('ndjson_bytes', { mode: 'bigint' }),
    objectBytes: bigint('object_bytes', { mode: 'bigint' }),
    doneAt: instant('done_at'),
    lastError: text('last_error'),
    /** The root of the tree over the lines; null when the log was off, and for other destinations. */
    linesRoot: text('lines_root'),
    /** Of the stored object. */
    objectSha256: text('object_sha256'),
    /** The batch's place in the log; null until it is numbered. */
    logIndex: bigint('log_index', { mode: 'bigint' }),
    /** Of a delivery by requests: how many rows, in the order of the batch, are settled. */
    nextRow: integer('next_row').notNull().default(0),
    /** Of a delivery by requests: how it was cut and formatted at its first attempt, and is for ever. */
    sentAs: text('sent_as'),
  },
  (t) => [
    primaryKey({ name: 'delivery_pkey', columns: [t.destination, t.batchId] }),
    index('delivery_claimable')
      .on(t.destination, t.nextAttemptAt, t.batchId)
      .where(sql`state in ('sealed', 'sending')`),
    index('delivery_failed').on(t.destination, t.batchId).where(sql`state = 'failed'`),
    index('delivery_unlogged').on(t.destination, t.doneAt, t.batchId).where(sql`state = 'done' and log_index is null`),
    check('delivery_log_index_when_done', sql`log_index is null or state = 'done'`),
    check('delivery_lines_root_form', sql`lines_root ~ '^[0-9a-f]{64}$'`),
    check('delivery_object_sha256_form', sql`object_sha256 ~ '^[0-9a-f]{64}$'`),
    check('delivery_state', sql`state in ('sealed', 'sending', 'done', 'failed')`),
    check('delivery_sha256_form', sql`sha256 ~ '^[0-9a-f]{64}$'`),
    check('delivery_rendered_whole', sql`num_nulls(sha256, object_key, ndjson_bytes, object_bytes) in (0, 4)`),
    check(
      'delivery_lease_while_sending',
      sql`num_nonnulls(lease_token, leased_until) = case state when 'sending' then 2 else 0 end`,
    ),
    check(
      'delivery_done_is_proven',
      sql`(state = 'done') = (done_at is not null) and (state <> 'done' or sha256 is not null or sent_as is not null)`,
    ),
    // Nobody can say that a batch is archived without its object.
    check('delivery_archive_is_objects', sql`destination <> 's3' or sent_as is null`),
    check('delivery_failed_says_why', sql`state <> 'failed' or last_error is not null`),
  ],
);

/** A row that a destination can never take, left out of its delivery. */
export const rejection = auditbox.table(
  'rejection',
  {
    destination: text().notNull(),
    outboxId: bigint('outbox_id', { mode: 'bigint' }).notNull(),
    batchId: bigint('batch_id', { mode: 'bigint' }).notNull(),
    auditId: uuid('audit_id').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    reason: text().notNull(),
    rejectedAt: instant('rejected_at').notNull().default(sql`clock_timestamp()`),
    /** The batch in which a replay sends the row again; null while it waits for a person. */
    replayedIn: bigint('replayed_in', { mode: 'bigint' }),
  },
  (t) => [
    primaryKey({ name: 'rejection_pkey', columns: [t.destination, t.batchId, t.outboxId] }),
    index('rejection_open').on(t.destination, t.outboxId).where(sql`replayed_in is null`),
    index('rejection_outbox_id').on(t.destination, t.outboxId, t.batchId),
  ],
);

/** How far the log of a destination's batches has come. One row for each log. */
export const logHead = auditbox.table(
  'log_head',
  {
    destination: text().notNull(),
    /** The log's name. It never changes. */
    origin: text().notNull(),
    /** Entries. It only grows: the statement that numbers batches moves it from the size that it read. */
    size: bigint({ mode: 'bigint' }).notNull().default(sql`0`),
    /** The size of the newest checkpoint that lies in the bucket. */
    publishedSize: bigint('published_size', { mode: 'bigint' }).notNull().default(sql`0`),
  },
  (t) => [
    primaryKey({ name: 'log_head_pkey', columns: [t.destination] }),
    check('log_head_sizes', sql`published_size between 0 and size`),
  ],
);

/** An entry of the log, for ever: the tiles of the bucket can be made from these rows again. */
export const logEntry = auditbox.table(
  'log_entry',
  {
    destination: text().notNull(),
    index: bigint({ mode: 'bigint' }).notNull(),
    /** Null for a batch that only the bucket knows, after the database was restored. */
    batchId: bigint('batch_id', { mode: 'bigint' }),
    /** The canonical text, as it is hashed. */
    entry: text().notNull(),
    /** The leaf's hash and those of the subtrees that the leaf completes, from small to large, 64 hexadecimal digits each. */
    hashes: text().notNull(),
  },
  (t) => [
    primaryKey({ name: 'log_entry_pkey', columns: [t.destination, t.index] }),
    unique('log_entry_batch').on(t.destination, t.batchId),
    check('log_entry_hashes_form', sql`hashes ~ '^([0-9a-f]{64})+$'`),
  ],
);

/** One root for each size that was or will be signed, for ever. The note is stored before it is published. */
export const logCheckpoint = auditbox.table(
  'log_checkpoint',
  {
    destination: text().notNull(),
    size: bigint({ mode: 'bigint' }).notNull(),
    root: text().notNull(),
    note: text(),
    createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: 'log_checkpoint_pkey', columns: [t.destination, t.size] }),
    check('log_checkpoint_root_form', sql`root ~ '^[0-9a-f]{64}$'`),
  ],
);

/** The newest whole comparison of the database with a destination: `npm run exporter -- --verify`. */
export const lastVerify = auditbox.table(
  'last_verify',
  {
    destination: text().notNull(),
    finishedAt: instant('finished_at').notNull().default(sql`clock_timestamp()`),
    objects: bigint({ mode: 'bigint' }).notNull(),
    /** Those that it could not repair. */
    differences: bigint({ mode: 'bigint' }).notNull(),
    /** What was done before this time was compared. Null for a comparison that is older than this column. */
    completeBefore: instant('complete_before'),
  },
  (t) => [primaryKey({ name: 'last_verify_pkey', columns: [t.destination] })],
);

/**
 * Who may call the api. The key itself is never stored. A key that was rotated has two rows with one `key_id` until the
 * older one expires; the id in `recorded_by` is `key_id`, so a writer stays the same writer.
 */
export const apiKey = auditbox.table(
  'api_key',
  {
    id: uuid().notNull().default(sql`gen_random_uuid()`),
    name: text().notNull(),
    /** SHA-256 of the key, 64 hexadecimal digits: a key has 190 random bits or more, so it needs no slow hash. */
    keyHash: text('key_hash').notNull().unique('api_key_hash'),
    scopes: text().array().notNull(),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    revokedAt: instant('revoked_at'),
    keyId: uuid('key_id').notNull(),
    /** The first characters, so that a found key can be matched with its row. Empty for keys from before the column existed. */
    prefix: text().notNull().default(''),
    /** The only tenant that the key reads and writes; null for all tenants. */
    tenant: text(),
    /** What else limits the key, in the form of core's `KeyBounds`. */
    bounds: json().notNull().default({}),
    createdBy: text('created_by').notNull().default(''),
    expiresAt: instant('expires_at'),
    /** When a newer row of the same `key_id` took its place. */
    replacedAt: instant('replaced_at'),
    revokedBy: text('revoked_by'),
    /** To the minute. */
    lastUsedAt: instant('last_used_at'),
    lastUsedAddress: text('last_used_address'),
  },
  (t) => [
    primaryKey({ name: 'api_key_pkey', columns: [t.id] }),
    index('api_key_key_id').on(t.keyId),
    uniqueIndex('api_key_current_name')
      .on(sql`coalesce(tenant, '')`, t.name)
      .where(sql`revoked_at is null and replaced_at is null`),
    check(
      'api_key_scopes',
      sql`scopes <@ array['read', 'write', 'admin', 'audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin'] and cardinality(scopes) > 0`,
    ),
  ],
);

/** Random values that only functions of the owner read. */
export const secret = auditbox.table('secret', { name: text().notNull(), value: text().notNull() }, (t) => [
  primaryKey({ name: 'secret_pkey', columns: [t.name] }),
]);

/** A table whose changes triggers record, and how. By name and not by oid, so that a restored dump is recognised. */
export const capturedTable = auditbox.table(
  'captured_table',
  {
    schemaName: text('schema_name').notNull(),
    tableName: text('table_name').notNull(),
    /** In our schema. It is made for this table. */
    functionName: text('function_name').notNull(),
    /** Columns that the table had at its capture, so that new ones are noticed. */
    columns: text().array().notNull(),
    /** The arguments of `auditbox.capture`. */
    options: json().notNull(),
    capturedAt: instant('captured_at').notNull().default(sql`now()`),
    capturedBy: text('captured_by').notNull(),
  },
  (t) => [primaryKey({ name: 'captured_table_pkey', columns: [t.schemaName, t.tableName] })],
);
