import type { Database } from '@auditbox/db/database/connect.ts';
import {
  closeMonth,
  countUnarchived,
  dropMonth,
  type ExpiredMonth,
  forgetDropped,
  listExpiredMonths,
} from '@auditbox/db/months/expired-months.ts';
import { makeMonths } from '@auditbox/db/months/make-months.ts';
import postgres from 'postgres';
import { median } from '../figures.ts';
import { names } from '../names.ts';
import { spanDays } from '../workload/size-sql.ts';
import type { BenchDatabase } from './rig.ts';

const monthsMade = 12;
const { size: measures } = names;

/** Makes a year of months before the events, and drops the month with the most events, while another session inserts. */
export async function changeMonths(bench: BenchDatabase, db: Database, until: string): Promise<Record<string, number>> {
  const made: number[] = [];
  for (let month = 1; month <= monthsMade; month += 1) {
    const at = new Date(Date.parse(until) - spanDays * 86_400_000);
    at.setUTCDate(1);
    at.setUTCMonth(at.getUTCMonth() - month);
    made.push(await time(() => makeMonths(db, [at.toISOString()])));
  }
  const largest = await findLargest(bench, db);
  const inserts = await insertDuring(bench, async () => ({
    close: await time(() => closeMonth(db, largest)),
    count: await time(async () => {
      const left = await countUnarchived(db, largest, 's3');
      if (left > 0) throw new Error(`${left} events of ${largest.name} are not in the archive.`);
    }),
    drop: await time(async () => {
      if (!(await dropMonth(db, largest, 's3'))) throw new Error(`${largest.name} was not dropped.`);
    }),
    forget: await time(async () => {
      while ((await forgetDropped(db, 100)) > 0);
    }),
  }));
  const { close, count, drop, forget } = inserts.result;
  return {
    [measures.make]: median(made),
    [measures.monthRows]: largest.rows,
    [measures.check]: count / 1000,
    [measures.close]: close,
    [measures.drop]: drop / 1000,
    [measures.forget]: forget / 1000,
    [measures.longestInsert]: inserts.longestMs,
  };
}

async function findLargest({ sql }: BenchDatabase, db: Database): Promise<ExpiredMonth & { rows: number }> {
  let largest: (ExpiredMonth & { rows: number }) | null = null;
  for (const month of await listExpiredMonths(db, 0)) {
    const [row] = await sql<[{ rows: number }]>`select count(*)::int as rows from auditbox.${sql(month.name)}`;
    if (row.rows > (largest?.rows ?? 0)) largest = { ...month, rows: row.rows };
  }
  if (largest === null) throw new Error('No month is over.');
  return largest;
}

/** Runs `work` while one session inserts event after event, and returns the longest time that an insert needed. */
async function insertDuring<T>({ url }: BenchDatabase, work: () => Promise<T>) {
  const own = postgres(url, { max: 1, onnotice: () => {} });
  let isOver = false;
  let longestMs = 0;
  const inserting = (async () => {
    while (!isOver) {
      const startedAt = performance.now();
      await own`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('user0', 'updated', 'keys', 'object-0')`;
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
  })();
  try {
    return { result: await work(), longestMs };
  } finally {
    isOver = true;
    await inserting;
    await own.end();
  }
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
