import type { Exporter } from '../compose.ts';
import { checkBucket, notAsked } from '../diagnose/bucket/check-bucket.ts';
import { checkObjects } from '../diagnose/bucket/check-objects.ts';
import { compareClocks } from '../diagnose/compare-clocks.ts';
import { checkDatabaseState } from '../diagnose/database/check-database.ts';
import type { Finding } from '../diagnose/finding.ts';
import { reportFindings } from '../diagnose/report-findings.ts';

/**
 * Tries all that exports take and tells what works, what does not and why. Leaves one small object in the bucket.
 * Resolves to an exit code: 0 when everything needed works, else 1.
 */
export async function check(exporter: Exporter, form: { json: boolean }, signal: AbortSignal): Promise<number> {
  return reportFindings(await findAll(exporter, signal), form);
}

async function findAll(exporter: Exporter, signal: AbortSignal): Promise<Finding[]> {
  const database = await checkDatabaseState(exporter.db);
  const bucket = await checkBucket(exporter.inspector, exporter.config, signal);
  const storedAt = database.time ?? new Date().toISOString();
  const objects = bucket.goOn ? await checkObjects(exporter, storedAt, signal) : [notAsked('create')];
  return [...database.findings, ...bucket.findings, ...objects, compareClocks(database.aheadMs, bucket.aheadMs)];
}
