import type { Sql } from 'postgres';

/** An index of audit_log: `create index <name> on auditbox.audit_log <definition>`. */
export interface MonthsIndex {
  /** Begins with `audit_log_`. */
  readonly name: string;
  readonly definition: string;
}

/**
 * Declares the index of the months that are made from now on. It serves no statement until makeForMonths has ended.
 *
 * Caller: `npm run migrate`.
 * Locks: audit_log until the transactions that write now have ended; writers wait behind it.
 * Crash: the index is declared or not; the next call does nothing then.
 */
export async function declareForMonths(sql: Sql, { name, definition }: MonthsIndex): Promise<void> {
  await sql.unsafe(`create index if not exists ${name} on only auditbox.audit_log ${definition}`);
}

/**
 * Makes the index of the months that exist. `report` gets the name of each month.
 *
 * Caller: `npm run migrate`, outside of a transaction.
 * Locks: none that writers wait for; months are indexed one after another, concurrently.
 * Crash: the next call continues.
 */
export async function makeForMonths(
  sql: Sql,
  { name, definition }: MonthsIndex,
  report: (month: string) => void,
): Promise<void> {
  const partitions = await sql<{ table: string; isIndexed: boolean }[]>`
    select c.relname as table, exists (
      select from pg_index i join pg_inherits h on h.inhrelid = i.indexrelid
      where i.indrelid = c.oid and h.inhparent = (
        select oid from pg_class where relname = ${name} and relnamespace = 'auditbox'::regnamespace)
    ) as "isIndexed"
    from pg_inherits p join pg_class c on c.oid = p.inhrelid
    where p.inhparent = 'auditbox.audit_log'::regclass order by c.relname`;
  for (const { table, isIndexed } of partitions) {
    if (isIndexed) continue;
    const index = `${table}${name.slice('audit_log'.length)}`;
    report(table);
    // An earlier run that was interrupted leaves an invalid index.
    await sql`drop index concurrently if exists auditbox.${sql(index)}`;
    await sql.unsafe(`create index concurrently ${index} on auditbox.${table} ${definition}`);
    await sql`alter index auditbox.${sql(name)} attach partition auditbox.${sql(index)}`;
  }
}
