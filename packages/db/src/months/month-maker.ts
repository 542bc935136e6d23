import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';

/** What became of a month that an event needs. */
export type MonthOutcome =
  | { readonly kind: 'made' }
  /** Further ahead than an event may be, or before 1970. */
  | { readonly kind: 'out of range' }
  /** Somebody detached it by hand, or its table cannot be made. */
  | { readonly kind: 'error'; readonly error: DatabaseError };

/** Makes months of audit_log for writers. */
export interface MonthMaker {
  /** Which of the months (`2026-07`) are missing. */
  listMissing(months: readonly string[]): Promise<ReadonlySet<string>>;
  /** Writers that need one month at the same moment share one statement. */
  make(month: string): Promise<MonthOutcome>;
}

/** A maker that waits for another process's maker gets an error after 5 s. On a busy server the other one may need longer. */
const tries = 6;

/**
 * `db` should be a pool for months alone: a month takes as long as a hundred inserts, and inserts of existing months must
 * not wait for it.
 */
export function createMonthMaker(db: Pick<Database, 'query'>): MonthMaker {
  const running = new Map<string, Promise<MonthOutcome>>();
  return {
    listMissing: (months) => listMissing(db, months),
    make(month) {
      const known = running.get(month);
      if (known) return known;
      const making = makeMonth(db, month).finally(() => running.delete(month));
      running.set(month, making);
      return making;
    },
  };
}

/**
 * Caller: writers whose insert found no month; outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
async function listMissing(db: Pick<Database, 'query'>, months: readonly string[]): Promise<ReadonlySet<string>> {
  const text = JSON.stringify([...new Set(months)]);
  const rows = await db.query(
    (sql) => sql<{ month: string }[]>`
      with there as materialized (select starts_at, ends_at from auditbox.list_months())
      select month from json_array_elements_text(${text}::text::json) as month
      where not exists (
        select from there
        where starts_at <= (month || '-01T00:00:00Z')::timestamptz and (month || '-01T00:00:00Z')::timestamptz < ends_at
      )`,
  );
  return new Set(rows.map(({ month }) => month));
}

/**
 * Caller: writers whose insert found no month; outside of any transaction.
 * Locks: an advisory lock that other makers of months wait for; readers and writers do not wait.
 * Crash: the month exists, or the next call makes it.
 */
async function makeMonth(db: Pick<Database, 'query'>, month: string): Promise<MonthOutcome> {
  for (let triesLeft = tries; ; ) {
    try {
      const [row] = await db.query(
        (sql) => sql<[{ isMade: boolean | null }]>`
          select auditbox.make_month((${month}::text || '-01T00:00:00Z')::timestamptz) as "isMade"`,
      );
      return { kind: row.isMade === null ? 'out of range' : 'made' };
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      triesLeft -= 1;
      if (error.kind !== 'conflict' || triesLeft === 0) return { kind: 'error', error };
    }
  }
}
