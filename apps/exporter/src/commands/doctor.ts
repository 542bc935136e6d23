import type { Database } from '@auditbox/db/database/connect.ts';
import type { S3Inspector } from '../destinations/s3/s3-inspector.ts';
import { examineBucket } from '../diagnose/bucket.ts';
import { compareClocks } from '../diagnose/clocks.ts';
import { type Finding, reportFindings } from '../diagnose/finding.ts';
import { examineDatabase } from '../diagnose/postgres/examine.ts';
import { type ExporterSettings, longestWaitS } from '../settings.ts';

interface Examined {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly inspector: S3Inspector;
}

/**
 * Reports what is wrong with the database and the bucket, each with its remedy. Reads only. Resolves to the exit code: 0
 * when nothing needs a person, 1 when a check fails, 2 when one could not be done.
 */
export async function doctor(
  examined: Examined,
  { json, maxOpenS }: { json: boolean; maxOpenS: number },
  signal: AbortSignal,
): Promise<number> {
  return reportFindings(await examine(examined, maxOpenS, signal), { json });
}

/** When one of database and bucket is down, the other is examined all the same. */
export async function examine(
  { settings, db, inspector }: Examined,
  maxOpenS: number,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const database = await examineDatabase(db, {
    maxBehindS: longestWaitS(settings.seal),
    schema: settings.databaseSchema,
    cell: settings.cell,
    upkeep: { maxOpenS },
  });
  const bucket = await examineBucket(inspector, settings.s3, signal);
  const clocks = compareClocks(database.aheadMs, bucket.aheadMs);
  return [...database.findings, ...bucket.findings, clocks];
}
