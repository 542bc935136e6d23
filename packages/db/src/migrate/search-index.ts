import type { Sql } from 'postgres';
import { declareForMonths, type MonthsIndex, makeForMonths } from './index-of-months.ts';

/*
 * The index of words in values, for `q`. It is made only on request, because it doubles the cost of an insert
 * (docs/decisions/index-of-words-on-request.md).
 */

const words: MonthsIndex = {
  name: 'audit_log_words',
  definition: 'using gin (auditbox.audit_words(before_value, updated_values, context))',
};

/**
 * Makes the index for all months, present and future. `report` gets the name of each month.
 *
 * Caller: `npm run migrate -- --search-index on`.
 * Locks: none that writers wait for; months are indexed one after another, concurrently.
 * Crash: the next call continues.
 */
export async function makeSearchIndex(sql: Sql, report: (line: string) => void): Promise<void> {
  await declareForMonths(sql, words);
  await makeForMonths(sql, words, (month) => report(`${month} …`));
}

/**
 * Caller: `npm run migrate -- --search-index off`.
 * Locks: audit_log and its months, exclusively, after running statements have ended.
 * Crash: the index is there or gone.
 */
export async function dropSearchIndex(sql: Sql): Promise<void> {
  await sql`drop index if exists auditbox.audit_log_words`;
}
