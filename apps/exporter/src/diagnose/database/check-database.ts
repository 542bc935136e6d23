import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { type Finding, fails, unknown, works } from '../finding.ts';

export interface DatabaseChecked {
  readonly findings: readonly Finding[];
  /** Now, by the database's clock; null if it was not reached. */
  readonly time: string | null;
  /** How far that clock is ahead of this machine's, in ms. */
  readonly aheadMs: number | null;
}

/** Whether the database is there and its schema is this code's. */
export async function checkDatabaseState(db: Database): Promise<DatabaseChecked> {
  // The first statement waits for the connection, which would count as the clock's.
  const reached = await orFault(databaseTime(db));
  const askedAt = Date.now();
  const time = reached instanceof DatabaseError ? reached : await orFault(databaseTime(db));
  const answeredAt = Date.now();
  if (time instanceof DatabaseError) {
    const findings = [
      fails('database', time.sentence, { advice: 'Look at DATABASE_URL.' }),
      unknown('schema', 'The database could not be asked.', { needed: true }),
    ];
    return { findings, time: null, aheadMs: null };
  }
  const aheadMs = Date.parse(time) - (askedAt + answeredAt) / 2;
  return { findings: [works('database', 'It answers.'), await checkSchema(db)], time, aheadMs };
}

async function checkSchema(db: Database): Promise<Finding> {
  try {
    const warning = await checkDatabase(db);
    return warning === null ? works('schema', 'It is up to date.') : unknown('schema', warning);
  } catch (error) {
    return fails('schema', explainUnready(error), { advice: 'Run `npm run migrate`.' });
  }
}

async function orFault<T>(answer: Promise<T>): Promise<T | DatabaseError> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof DatabaseError) return error;
    throw error;
  }
}
