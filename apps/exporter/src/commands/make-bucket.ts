import { sleep } from '@auditbox/process/sleep.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { S3Inspector } from '../destinations/s3/s3-inspector.ts';
import type { ExporterSettings } from '../settings.ts';

const waitMs = 120_000;
const retryEveryMs = 1_000;

/**
 * Makes the bucket unless it exists, and waits for a store that has just been started. At AWS it only checks that the
 * bucket exists. Resolves to the exit code.
 */
export async function makeBucket(
  {
    settings,
    inspector,
    makeS3Bucket,
  }: {
    settings: ExporterSettings;
    inspector: S3Inspector;
    makeS3Bucket(signal: AbortSignal): Promise<{ readonly kind: 'made' | 'exists' } | DestinationError>;
  },
  { json }: { readonly json: boolean },
  signal: AbortSignal,
): Promise<number> {
  const url = `s3://${settings.s3.bucket}`;
  // At AWS, a mistyped name must not become a bucket that the account's policies do not cover.
  const isOwnStore = settings.s3.endpoint !== null;
  const giveUpAt = performance.now() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    const { error } = await inspector.readBucket(signal);
    const isToMake = isOwnStore && error?.code === 'NoSuchBucket';
    const result = isToMake ? await makeS3Bucket(signal) : (error ?? { kind: 'exists' as const });
    if (result.kind !== 'error') {
      const words = `${url} ${result.kind === 'made' ? 'was made' : 'exists'}.`;
      process.stdout.write(`${json ? JSON.stringify({ ok: true, outcome: result.kind }) : words}\n`);
      return 0;
    }
    if (result.class !== 'transient' || performance.now() > giveUpAt || signal.aborted) {
      if (json) process.stdout.write(`${JSON.stringify({ ok: false, problem: result.message })}\n`);
      else process.stderr.write(`${result.message}\n`);
      return 1;
    }
    if (isFirst) process.stderr.write(`${result.message} Waiting up to ${waitMs / 1000} s for the store.\n`);
    await sleep(retryEveryMs, signal);
  }
}
