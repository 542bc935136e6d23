import type { Sql } from 'postgres';

/*
 * The index of words in values, for `q`. It is made only on request, because it doubles the cost of an insert
 * (docs/decisions/index-of-words-on-request.md).
 */

/**
 * Makes the index for all months, present and future. `report` gets the name of each month.
 *
 * Caller: `npm run migrate -- --search-index on`.
 * Locks: none that writers wait for; months are indexed one after another, concurrently.
 * Crash: the next call continues.
 */
export async function makeSearchIndex(sql: Sql, report: (line: string) => void): Promise<void> {
  await sql`
    create index if not exists audit_log_words on only auditbox.audit_log
    using gin (auditbox.audit_words(before_value, updated_values, context))`;
  const partitions = await sql<{ table: string; isIndexed: boolean }[]>`
    select c.relname as table, exists (
      select from pg_index i join pg_inherits h on h.inhrelid = i.indexrelid
      where i.indrelid = c.oid and h.inhparent = 'auditbox.audit_log_words'::regclass
    ) as "isIndexed"
    from pg_inherits p join pg_class c on c.oid = p.inhrelid
    where p.inhparent = 'auditbox.audit_log'::regclass order by c.relname`;
  for (const { table, isIndexed } of partitions) {
    if (isIndexed) continue;
    const index = `${table}_words`;
    report(`${table} …`);
    // An earlier run that was interrupted leaves an invalid index.
    await sql`drop index concurrently if exists auditbox.${sql(index)}`;
    await sql`
      create index concurrently ${sql(index)} on auditbox.${sql(table)}
      using gin (auditbox.audit_words(before_value, updated_values, context))`;
    await sql`alter index auditbox.audit_log_words attach partition auditbox.${sql(index)}`;
  }
}

/**
 * Caller: `npm run migrate -- --search-index off`.
 * Locks: audit_log and its months, exclusively, after running statements have ended.
 * Crash: the index is there or gone.
 */
export async function dropSearchIndex(sql: Sql): Promise<void> {
  await sql`drop index if exists auditbox.audit_log_words`;
}
