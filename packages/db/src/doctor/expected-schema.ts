import { getTableConfig } from 'drizzle-orm/pg-core';
import { apiKey, auditLog, batch, delivery, destination, frontier, outbox, rejection } from '../schema.ts';

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
  apiKey,
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

/** A trigger, and the table that has it. */
export interface ExpectedTrigger {
  readonly table: string;
  readonly trigger: string;
}

/** schema.ts cannot list triggers, because drizzle does not support them. Each month has those of audit_log. */
export const expectedTriggers: readonly ExpectedTrigger[] = Object.entries({
  audit_log: ['audit_log_to_outbox', 'audit_log_append_only', 'audit_log_no_truncate'],
  outbox: ['outbox_no_update', 'outbox_no_truncate', 'outbox_keep_row'],
  batch: ['batch_never_changes', 'batch_ids_are_in_one_batch'],
  delivery: ['delivery_no_truncate', 'delivery_changes', 'delivery_begins'],
  rejection: ['rejection_begins'],
}).flatMap(([table, triggers]) => triggers.map((trigger) => ({ table, trigger })));

/** drizzle writes `timestamp (6) with time zone` and `varchar(55)`. */
function toPostgresType(type: string): string {
  return type.replace(' (', '(').replace(/^varchar/, 'character varying');
}
