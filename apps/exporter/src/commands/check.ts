import { checkBucket, notAsked } from '../check/check-bucket.ts';
import { checkDatabaseState } from '../check/check-database.ts';
import { checkObjects } from '../check/check-objects.ts';
import { compareClocks } from '../check/compare-clocks.ts';
import type { Finding } from '../check/finding.ts';
import { reportFindings } from '../check/report-findings.ts';
import type { Exporter } from '../compose.ts';

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
