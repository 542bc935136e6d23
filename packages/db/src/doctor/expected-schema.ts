import { getTableConfig } from 'drizzle-orm/pg-core';
import { apiKey, auditLog, exportBatch, outbox, prunedEvent } from '../schema.ts';

/** A thing that the code relies on, as the database names it: `outbox.batch_id bigint`, `outbox_pending`. */
export interface ExpectedTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Of primary and unique keys too. */
  readonly indexes: readonly string[];
  readonly checks: readonly string[];
}

/** What schema.ts says of the tables in the database. */
export const expectedTables: readonly ExpectedTable[] = [auditLog, outbox, prunedEvent, exportBatch, apiKey].map(
  (table) => {
    const { name, columns, indexes, primaryKeys, uniqueConstraints, checks } = getTableConfig(table);
    const keys = columns.flatMap(({ primary, isUnique, uniqueName }) => [
      ...(primary ? [`${name}_pkey`] : []),
      ...(isUnique ? [uniqueName] : []),
    ]);
    return {
      name,
      columns: columns.map((column) => ({ name: column.name, type: typeInPostgres(column.getSQLType()) })),
      indexes: [
        ...indexes.map(({ config }) => config.name),
        ...primaryKeys.map((key) => key.getName()),
        ...uniqueConstraints.map((key) => key.getName()),
        ...keys,
      ].filter((index) => index !== undefined),
      checks: checks.map((check) => check.name),
    };
  },
);

/** Triggers of audit_log and of each of its partitions; drizzle has no words for them. */
export const expectedTriggers = ['audit_log_to_outbox', 'audit_log_append_only', 'audit_log_keep_unexported'] as const;

/** drizzle writes `timestamp (6) with time zone` and `varchar(55)`. */
function typeInPostgres(type: string): string {
  return type.replace(' (', '(').replace(/^varchar/, 'character varying');
}
