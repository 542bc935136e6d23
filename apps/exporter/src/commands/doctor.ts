import type { Database } from '@auditbox/db/database/connect.ts';
import type { S3Inspector } from '../destinations/s3/s3-inspector.ts';
import { examineBucket } from '../diagnose/bucket.ts';
import { compareClocks } from '../diagnose/clocks.ts';
import { reportFindings } from '../diagnose/finding.ts';
import { examineDatabase } from '../diagnose/postgres/examine.ts';
import type { ExporterSettings } from '../settings.ts';

/**
 * Reports what is wrong with the database and the bucket, each with its remedy. When one of them is down, the other is
 * examined all the same. Reads only. Resolves to the exit code: 0 when nothing needs a person, else 1.
 */
export async function doctor(
  { settings, db, inspector }: { settings: ExporterSettings; db: Database; inspector: S3Inspector },
  { json, maxOpenS }: { json: boolean; maxOpenS: number },
  signal: AbortSignal,
): Promise<number> {
  const database = await examineDatabase(db, { maxOpenS, schema: settings.databaseSchema });
  const bucket = await examineBucket(inspector, settings.s3, signal);
  const clocks = compareClocks(database.aheadMs, bucket.aheadMs);
  return reportFindings([...database.findings, ...bucket.findings, clocks], { json });
}
