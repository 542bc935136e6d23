import { sleep } from '@auditbox/process/sleep.ts';
import type { Exporter } from '../compose.ts';

const waitMs = 120_000;
const retryEveryMs = 1_000;

/**
 * Makes the bucket unless it is there, waiting for a store that has just been started; in AWS's own S3 only looks for it.
 * Resolves to an exit code.
 */
export async function makeBucket({ config, inspector, bucketMaker }: Exporter, signal: AbortSignal): Promise<number> {
  const where = `s3://${config.S3_BUCKET}`;
  // A wrong name must not become a bucket that no policy of the account's holds for.
  const ownStore = config.S3_ENDPOINT !== undefined;
  const giveUpAt = performance.now() + waitMs;
  for (let told = false; ; told = true) {
    const { refusal } = await inspector.bucket(signal);
    const outcome =
      refusal === null
        ? ({ kind: 'there' } as const)
        : refusal.code === 'NoSuchBucket' && ownStore
          ? await bucketMaker(signal)
          : refusal;
    if (outcome.kind !== 'refused') {
      process.stdout.write(`${where} ${outcome.kind === 'made' ? 'was made' : 'is there'}.\n`);
      return 0;
    }
    if (outcome.class !== 'transient' || performance.now() > giveUpAt || signal.aborted) {
      process.stderr.write(`${outcome.message}\n`);
      return 1;
    }
    if (!told) process.stderr.write(`${outcome.message} Waiting up to ${waitMs / 1000} s for it.\n`);
    await sleep(retryEveryMs, signal);
  }
}
