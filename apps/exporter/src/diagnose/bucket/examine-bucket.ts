import type { Inspector } from '../../destinations/inspector.ts';
import type { ExporterConfig } from '../../settings.ts';
import { bucketLock } from './bucket-lock.ts';
import { type BucketChecked, checkBucket, notAsked } from './check-bucket.ts';
import { checkVersions } from './check-versions.ts';

/** What a bucket tells without being written to. */
export async function examineBucket(
  inspector: Inspector,
  config: ExporterConfig,
  signal: AbortSignal,
): Promise<BucketChecked> {
  const bucket = await checkBucket(inspector, config, signal);
  if (!bucket.goOn) return { ...bucket, findings: [...bucket.findings, ...['versions', 'object lock'].map(notAsked)] };
  const { finding: versions } = await checkVersions(inspector, config, signal);
  const lock = bucketLock(await inspector.objectLock(signal), config);
  return { ...bucket, findings: [...bucket.findings, versions, lock] };
}
