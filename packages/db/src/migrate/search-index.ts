import type { Database } from '../database/connect.ts';

/*
 * The index of words in values, for `q`. It is not there unless asked for: it costs an insert as much as all the rest
 * (packages/bench/README.md).
 */

/**
 * Makes the index, partition after partition without making writers wait, and for all later partitions. Called by
 * `npm run migrate -- --search-index on`; may be called again after it broke off. `say` hears of each partition.
 */
export async function makeSearchIndex({ sql }: Database, say: (line: string) => void): Promise<void> {
  await sql`
    create index if not exists audit_log_words on only audit_log
    using gin (audit_words(before_value, updated_values, context))`;
  const partitions = await sql<{ table: string; isIndexed: boolean }[]>`
    select c.relname as table, exists (
      select from pg_index i join pg_inherits h on h.inhrelid = i.indexrelid
      where i.indrelid = c.oid and h.inhparent = 'audit_log_words'::regclass
    ) as "isIndexed"
    from pg_inherits p join pg_class c on c.oid = p.inhrelid
    where p.inhparent = 'audit_log'::regclass order by c.relname`;
  for (const { table, isIndexed } of partitions) {
    if (isIndexed) continue;
    const index = `${table}_words`;
    say(`${table} …`);
    // One that broke off is there and not valid.
    await sql`drop index concurrently if exists ${sql(index)}`;
    await sql`
      create index concurrently ${sql(index)} on ${sql(table)}
      using gin (audit_words(before_value, updated_values, context))`;
    await sql`alter index audit_log_words attach partition ${sql(index)}`;
  }
}

/** Removes the index. Called by `npm run migrate -- --search-index off`; waits for running statements on audit_log. */
export async function dropSearchIndex({ sql }: Database): Promise<void> {
  await sql`drop index if exists audit_log_words`;
}
