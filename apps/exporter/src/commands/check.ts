import type { Database } from '@auditbox/db/database/connect.ts';
import type { Destination } from '../destinations/destination.ts';
import type { S3Inspector } from '../destinations/s3/s3-inspector.ts';
import { checkBucket } from '../diagnose/bucket.ts';
import { compareClocks } from '../diagnose/clocks.ts';
import { notChecked, reportFindings } from '../diagnose/finding.ts';
import { checkObjects } from '../diagnose/objects.ts';
import { examineDatabase } from '../diagnose/postgres/examine.ts';
import { type ExporterSettings, longestWaitS } from '../settings.ts';

/**
 * Tries everything that exports need, and reports what works, what does not and why. Leaves one small object in the bucket.
 * Resolves to the exit code: 0 when everything required works, 1 when a check fails, 2 when one could not be done.
 */
export async function check(
  {
    settings,
    db,
    destination,
    inspector,
  }: { settings: ExporterSettings; db: Database; destination: Destination; inspector: S3Inspector },
  { json }: { json: boolean },
  signal: AbortSignal,
): Promise<number> {
  const { s3, seal, databaseSchema: schema, cell } = settings;
  const database = await examineDatabase(db, { maxBehindS: longestWaitS(seal), schema, cell, upkeep: null });
  const bucket = await checkBucket(inspector, s3, signal);
  const storedAt = database.time ?? new Date().toISOString();
  const objects = bucket.isUsable
    ? await checkObjects({ destination, inspector, s3 }, storedAt, signal)
    : [notChecked('create')];
  const clocks = compareClocks(database.aheadMs, bucket.aheadMs);
  return reportFindings([...database.findings, ...bucket.findings, ...objects, clocks], { json });
}
