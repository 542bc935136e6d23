import type { Database } from '@auditbox/db/database/connect.ts';
import { checkDatabaseState, type DatabaseChecked } from '../database.ts';
import { type Finding, notChecked } from '../finding.ts';
import { captures } from './captures.ts';
import { type Check, runCheck } from './check.ts';
import { disk } from './disk.ts';
import { drift } from './drift.ts';
import { durability } from './durability.ts';
import { exports } from './exports.ts';
import { months } from './months.ts';
import { oldTransactions } from './old-transactions.ts';
import { role } from './role.ts';
import { tampering } from './tampering.ts';
import { triggers } from './triggers.ts';
import { autovacuum, deadRows, transactionIds } from './vacuum.ts';

interface ExamineOptions {
  /** A transaction that is open for longer is a problem. */
  readonly maxOpenS: number;
  /** An event that waits for longer is late. */
  readonly maxBehindS: number;
  readonly schema: string;
}

/** Every check of a database that answers. It writes a temporary file, to see whether the disk is full, and nothing else. */
export async function examineDatabase(
  db: Database,
  { maxOpenS, maxBehindS, schema }: ExamineOptions,
): Promise<DatabaseChecked> {
  const checks: readonly Check[] = [
    disk,
    drift,
    triggers,
    tampering(schema),
    captures,
    exports(maxBehindS),
    months,
    role,
    durability,
    autovacuum,
    deadRows,
    transactionIds,
    oldTransactions(maxOpenS),
  ];
  const database = await checkDatabaseState(db);
  const findings: Finding[] = [...database.findings];
  for (const check of checks)
    findings.push(database.time === null ? notChecked(check.what) : await runCheck(check, db));
  return { ...database, findings };
}
