import type { Database } from '@auditbox/db/database/connect.ts';
import { isDistributed } from '@auditbox/db/database/is-distributed.ts';
import { expectedTables } from '@auditbox/db/doctor/expected-schema.ts';
import { findNodeOfShards } from '@auditbox/db/doctor/node-of-shards.ts';
import { checkDatabaseState, type DatabaseChecked } from '../database.ts';
import { type Finding, notChecked } from '../finding.ts';
import { captures } from './captures.ts';
import { cellName } from './cell-name.ts';
import { type Check, runCheck } from './check.ts';
import { disk } from './disk.ts';
import { drift } from './drift.ts';
import { durability } from './durability.ts';
import { exports } from './exports.ts';
import { months } from './months.ts';
import { oldTransactions } from './old-transactions.ts';
import { role } from './role.ts';
import { tampering } from './tampering.ts';
import { triggers, triggersOfShards } from './triggers.ts';
import { vacuumChecks } from './vacuum.ts';

interface ExamineOptions {
  /** An event that waits for longer is late. */
  readonly maxBehindS: number;
  readonly schema: string;
  /** Null: there are no other cells. */
  readonly cell: string | null;
  /** Null checks only what exports need. */
  readonly upkeep: {
    /** A transaction that is open for longer is a problem. */
    readonly maxOpenS: number;
  } | null;
}

/**
 * Every check of a database that answers: what exports need, and unless `upkeep` is null how the server is kept. It writes a temporary
 * file, to see whether the disk is full, and nothing else.
 */
export async function examineDatabase(db: Database, options: ExamineOptions): Promise<DatabaseChecked> {
  const { maxBehindS, schema, cell, upkeep } = options;
  const checks: readonly Check[] = [
    ...(cell === null ? [] : [cellName(cell, schema)]),
    disk,
    drift,
    triggers,
    tampering(schema),
    captures,
    exports(maxBehindS),
    months,
    ...(upkeep === null
      ? []
      : [
          role,
          ...upkeepChecks(
            expectedTables.map(({ name }) => name),
            upkeep,
          ),
        ]),
  ];
  const database = await checkDatabaseState(db);
  const findings: Finding[] = [...database.findings];
  for (const check of checks)
    findings.push(database.time === null ? notChecked(check.what) : await runCheck(check, db));
  if (database.time !== null) findings.push(...(await examineShards(db, options)));
  return { ...database, findings };
}

function upkeepChecks(tables: readonly string[], { maxOpenS }: { maxOpenS: number }): readonly Check[] {
  return [durability, ...vacuumChecks(tables), oldTransactions(maxOpenS)];
}

/** What the checks above do not see in a distributed schema of Citus: the node that has the rows. Nothing on Postgres. */
async function examineShards(db: Database, { schema, upkeep }: ExamineOptions): Promise<readonly Finding[]> {
  if (!(await isDistributed(db))) return [];
  const node = await findNodeOfShards(db, schema);
  const checks = [disk, triggersOfShards(node.triggers), ...(upkeep === null ? [] : upkeepChecks(node.tables, upkeep))];
  const findings: Finding[] = [];
  for (const check of checks) findings.push(await runCheck(check, node.db));
  return findings.map((finding) => ({ ...finding, what: `${finding.what} of the shards` }));
}
