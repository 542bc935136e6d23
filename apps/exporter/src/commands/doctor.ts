import type { Doctor } from '../compose.ts';
import { examineBucket } from '../diagnose/bucket/examine-bucket.ts';
import { compareClocks } from '../diagnose/compare-clocks.ts';
import { examineDatabase } from '../diagnose/database/examine-database.ts';
import { reportFindings } from '../diagnose/report-findings.ts';

/**
 * Looks at the database and the bucket and tells what is wrong, each with its remedy; one that is down does not hide the
 * other. Reads only. Resolves to an exit code: 0 when nothing needs a person, else 1.
 */
export async function doctor(
  { config, db, inspector }: Doctor,
  { json, maxOpenS }: { json: boolean; maxOpenS: number },
  signal: AbortSignal,
): Promise<number> {
  const database = await examineDatabase(db, maxOpenS);
  const bucket = await examineBucket(inspector, config, signal);
  const clocks = compareClocks(database.aheadMs, bucket.aheadMs);
  return reportFindings([...database.findings, ...bucket.findings, clocks], { json });
}
