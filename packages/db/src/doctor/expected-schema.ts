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

/** Triggers of audit_log and of each of its months. schema.ts cannot list them, because drizzle does not support triggers. */
export const expectedTriggers = ['audit_log_to_outbox', 'audit_log_append_only', 'audit_log_no_truncate'] as const;

/** drizzle writes `timestamp (6) with time zone` and `varchar(55)`. */
function toPostgresType(type: string): string {
  return type.replace(' (', '(').replace(/^varchar/, 'character varying');
}
