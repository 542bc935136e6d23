import type { Database } from '@auditbox/db/database/connect.ts';
import { notAsked } from '../bucket/check-bucket.ts';
import type { Finding } from '../finding.ts';
import { autovacuum } from './autovacuum.ts';
import { checkDatabaseState, type DatabaseChecked } from './check-database.ts';
import { deadRows } from './dead-rows.ts';
import { drift } from './drift.ts';
import { durability } from './durability.ts';
import { type Look, take } from './look.ts';
import { oldTransactions } from './old-transactions.ts';
import { partitions } from './partitions.ts';
import { role } from './role.ts';
import { transactionIds } from './transaction-ids.ts';
import { triggers } from './triggers.ts';

/** All that can be wrong with a database that answers. Reads only. */
export async function examineDatabase(db: Database, maxOpenS: number): Promise<DatabaseChecked> {
  const looks: readonly Look[] = [
    drift,
    triggers,
    partitions,
    role,
    durability,
    autovacuum,
    deadRows,
    transactionIds,
    oldTransactions(maxOpenS),
  ];
  const database = await checkDatabaseState(db);
  const findings: Finding[] = [...database.findings];
  for (const look of looks) findings.push(database.time === null ? notAsked(look.what) : await take(look, db));
  return { ...database, findings };
}
