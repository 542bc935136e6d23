import { getTableConfig } from 'drizzle-orm/pg-core';
import {
  apiKey,
  auditLog,
  batch,
  capturedTable,
  delivery,
  destination,
  frontier,
  lastVerify,
  logCheckpoint,
  logEntry,
  logHead,
  outbox,
  rejection,
  secret,
} from '../schema.ts';

/** A table that the code relies on, with the names and types that the database uses: `batch_id bigint`, `outbox_pending`. */
export interface ExpectedTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Including the indexes of primary and unique keys. */
  readonly indexes: readonly string[];
  readonly checks: readonly string[];
}

/** The tables of schema.ts. */
export const expectedTables: readonly ExpectedTable[] = [
  auditLog,
  outbox,
  frontier,
  batch,
  destination,
  delivery,
  rejection,
  logHead,
  logEntry,
  logCheckpoint,
  lastVerify,
  apiKey,
  secret,
  capturedTable,
].map((table) => {
  const { name, columns, indexes, primaryKeys, uniqueConstraints, checks } = getTableConfig(table);
  const keys = columns.flatMap(({ primary, isUnique, uniqueName }) => [
    ...(primary ? [`${name}_pkey`] : []),
    ...(isUnique ? [uniqueName] : []),
  ]);
  return {
    name,
    columns: columns.map((column) => ({ name: column.name, type: toPostgresType(column.getSQLType()) })),
    indexes: [
      ...indexes.map(({ config }) => config.name),
      ...primaryKeys.map((key) => key.getName()),
      ...uniqueConstraints.map((key) => key.getName()),
      ...keys,
    ].filter((index) => index !== undefined),
    checks: checks.map((check) => check.name),
  };
});

/** A trigger, the table that has it, and what it does. */
export interface ExpectedTrigger {
  readonly table: string;
  readonly trigger: string;
  /** The function that it calls. */
  readonly calls: string;
  /** When it fires, as in pg_trigger: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate. */
  readonly type: number;
}

type Action = 'insert' | 'delete' | 'update' | 'truncate';
const bits = { row: 1, before: 2, insert: 4, delete: 8, update: 16, truncate: 32 } as const;
const on = (calls: string, ...words: (Action | 'row' | 'before')[]) => ({
  calls,
  type: words.reduce((type, word) => type | bits[word], 0),
});
const refuse = (...actions: Action[]) => on('refuse_change', 'before', ...actions);

/** schema.ts cannot list triggers, because drizzle does not support them. Each month has those of audit_log. */
export const expectedTriggers: readonly ExpectedTrigger[] = Object.entries({
  audit_log: {
    audit_log_to_outbox: on('audit_log_to_outbox', 'insert'),
    audit_log_append_only: refuse('update', 'delete'),
    audit_log_no_truncate: refuse('truncate'),
  },
  outbox: {
    outbox_no_update: refuse('update'),
    outbox_no_truncate: refuse('truncate'),
    outbox_keep_row: on('keep_outbox_row', 'row', 'before', 'delete'),
  },
  batch: {
    batch_never_changes: refuse('update', 'delete', 'truncate'),
    batch_ids_are_in_one_batch: on('check_new_batches', 'insert'),
  },
  delivery: {
    delivery_no_truncate: refuse('truncate'),
    delivery_changes: on('check_delivery_change', 'row', 'before', 'update'),
    delivery_begins: on('check_new_delivery', 'row', 'before', 'insert'),
    delivery_stays: on('keep_delivery', 'row', 'before', 'delete'),
  },
  rejection: {
    rejection_begins: on('check_new_rejection', 'row', 'before', 'insert'),
    rejection_stays: on('keep_rejection', 'row', 'before', 'delete'),
  },
  log_head: {
    log_head_only_grows: on('check_log_head', 'row', 'before', 'update'),
    log_head_stays: refuse('delete', 'truncate'),
  },
  log_entry: {
    log_entry_never_changes: refuse('update', 'delete', 'truncate'),
  },
  log_checkpoint: {
    log_checkpoint_never_changes: on('check_log_checkpoint', 'row', 'before', 'update'),
    log_checkpoint_stays: refuse('delete', 'truncate'),
  },
}).flatMap(([table, triggers]) => Object.entries(triggers).map(([trigger, what]) => ({ table, trigger, ...what })));

/** drizzle writes `timestamp (6) with time zone` and `varchar(55)`. */
function toPostgresType(type: string): string {
  return type.replace(' (', '(').replace(/^varchar/, 'character varying');
}
