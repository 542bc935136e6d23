import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { type Finding, fails, unknown, works } from './finding.ts';
import { diskIsFull } from './postgres/disk.ts';

export interface DatabaseChecked {
  readonly findings: readonly Finding[];
  /** The database's time; null if the database was not reached. */
  readonly time: string | null;
  /** How far the database's clock is ahead of this machine's, in ms. */
  readonly aheadMs: number | null;
}

/** Whether the database answers and has the schema of this version. */
export async function checkDatabaseState(db: Database): Promise<DatabaseChecked> {
  try {
    // The first statement also waits for the connection, which would count as a difference of the clocks.
    await databaseTime(db);
    const sentAt = Date.now();
    const time = await databaseTime(db);
    const aheadMs = Date.parse(time) - (sentAt + Date.now()) / 2;
    return { findings: [works('database', 'It answers.'), await checkSchema(db)], time, aheadMs };
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const findings = [
      fails('database', error.sentence, { advice: adviseOn(error) }),
      unknown('schema', 'Not checked, because the database did not answer.', { needed: true }),
    ];
    return { findings, time: null, aheadMs: null };
  }
}

/** What helps when the database answers with an error. A full disk and too many connections do not even let a login in. */
export function adviseOn({ kind, code }: Pick<DatabaseError, 'kind' | 'code'>): string {
  if (code === '53100') return diskIsFull.todo;
  if (code === '53300') return 'End connections that nobody needs, or raise max_connections of Postgres.';
  if (kind === 'misconfigured') return 'Correct DATABASE_URL, or the rights of its login.';
  return 'Check that Postgres runs, and that DATABASE_URL names it.';
}

async function checkSchema(db: Database): Promise<Finding> {
  try {
    const warning = await checkDatabase(db);
    return warning === null ? works('schema', 'It is up to date.') : unknown('schema', warning);
  } catch (error) {
    const isTooNew = error instanceof DatabaseError && error.kind === 'newer schema';
    const advice = isTooNew ? 'Use the version that migrated the database, or a newer one.' : 'Run `npm run migrate`.';
    return fails('schema', explainUnready(error), { advice });
  }
}
