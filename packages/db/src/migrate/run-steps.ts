import { counted } from '@auditbox/core/text/counted.ts';
import type { Sql } from 'postgres';
import { declareForMonths, type MonthsIndex, makeForMonths } from './index-of-months.ts';
import type { Migration, Step } from './migrations.ts';
import type { Progress } from './progress.ts';

/** How the migrator works as the schema's owner, while no other migrator does. */
export interface Turn {
  inTransaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  outside<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

interface Recorded {
  readonly place: string | null;
  readonly rows: string;
  readonly isDone: boolean;
}

/**
 * Runs the steps of a migration that the database does not have yet. A step that another migrator has finished is
 * skipped.
 *
 * Caller: `npm run migrate`, for a migration with steps.
 * Locks: the migrators' lock, for one step or block at a time; and what the step says.
 * Crash: each step or block is done and recorded, or neither; the next call continues behind it. A step that runs
 * concurrently may be done and not recorded; then it runs again.
 */
export async function runSteps(turn: Turn, { tag, steps }: Migration, progress: Progress): Promise<void> {
  for (const [index, step] of (steps ?? []).entries()) {
    const number = index + 1;
    const name = `${tag}, step ${number} of ${steps?.length}`;
    await progress.during(name, () => runStep(turn, step, { tag, number, name, progress }));
  }
}

interface Place {
  readonly tag: string;
  readonly number: number;
  readonly name: string;
  readonly progress: Progress;
}

async function runStep(turn: Turn, { kind, statement }: Step, at: Place): Promise<void> {
  switch (kind) {
    case 'transaction':
      return turn.inTransaction(async (tx) => {
        if ((await readRecord(tx, at))?.isDone) return;
        await tx.unsafe(statement);
        await record(tx, at, { place: null, rows: '0', isDone: true });
      });
    case 'concurrently':
      return turn.outside(async (sql) => {
        if ((await readRecord(sql, at))?.isDone) return;
        // An interrupted run leaves an index that is not valid.
        const [, index] = /create (?:unique )?index concurrently "?(\w+)/i.exec(statement) ?? [];
        if (index) await sql`drop index concurrently if exists auditbox.${sql(index)}`;
        await sql.unsafe(statement);
        await record(sql, at, { place: null, rows: '0', isDone: true });
      });
    case 'months': {
      const index = readMonthsIndex(statement);
      await turn.inTransaction((tx) => declareForMonths(tx, index));
      return turn.outside(async (sql) => {
        if ((await readRecord(sql, at))?.isDone) return;
        await makeForMonths(sql, index, at.progress.note);
        await record(sql, at, { place: null, rows: '0', isDone: true });
      });
    }
    case 'blocks':
      while (!(await turn.inTransaction((tx) => runBlock(tx, statement, at))));
      return;
    default:
      return kind satisfies never;
  }
}

function readMonthsIndex(statement: string): MonthsIndex {
  const [, name, definition] = /^create index (\w+) on (?:\w+|"[^"]+")\.audit_log\s([^;]+)/m.exec(statement) ?? [];
  if (name === undefined || definition === undefined) throw new TypeError('A step of months is no index of audit_log.');
  return { name, definition };
}

/** Whether that was the last block. */
async function runBlock(tx: Sql, statement: string, at: Place): Promise<boolean> {
  const before = await readRecord(tx, at);
  if (before?.isDone) return true;
  const [block] = await tx.unsafe<{ next: string | null; rows: string }[]>(statement, [before?.place ?? null]);
  const next = block?.next ?? null;
  const rows = String(BigInt(before?.rows ?? 0) + BigInt(block?.rows ?? 0));
  await record(tx, at, { place: next, rows, isDone: next === null });
  at.progress.note(counted(Number(rows), 'row'));
  return next === null;
}

/**
 * Caller: runSteps, in the transaction of the step if it has one.
 * Locks: none; the migrators' lock keeps others away.
 * Crash: nothing is written.
 */
async function readRecord(sql: Sql, { tag, number }: Place): Promise<Recorded | undefined> {
  const [row] = await sql<Recorded[]>`
    select place, rows::text, done_at is not null as "isDone"
    from auditbox.migration_step where tag = ${tag} and step = ${number}`;
  return row;
}

/**
 * Caller: runSteps, in the transaction of the step if it has one.
 * Locks: the step's row.
 * Crash: the step counts as not done, and runs again.
 */
async function record(sql: Sql, { tag, number }: Place, { place, rows, isDone }: Recorded): Promise<void> {
  await sql`
    insert into auditbox.migration_step (tag, step, place, rows, done_at)
    values (${tag}, ${number}, ${place}, ${rows}::bigint, case when ${isDone}::boolean then clock_timestamp() end)
    on conflict (tag, step) do update set place = excluded.place, rows = excluded.rows, done_at = excluded.done_at`;
}
