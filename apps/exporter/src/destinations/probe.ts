import { databaseTime } from '@auditbox/db/database/database-time.ts';
import type { Exporter } from '../compose.ts';

/**
 * Asks the bucket once, at start, whether it takes objects, and says in one sentence what is wrong. Trouble stops
 * nothing: the uploads meet it again, wait and resume by themselves. A passing error is not the same as
 * being refused everything. Throws database faults.
 */
export async function probeDestination(
  { db, sink, config, logger }: Exporter,
  signal: AbortSignal,
): Promise<'healthy' | 'passing trouble' | 'blocked'> {
  const probe = await sink.probe(await databaseTime(db), signal);
  const where = { bucket: config.S3_BUCKET, prefix: config.S3_PREFIX };
  if (probe.kind === 'refused') {
    if (signal.aborted) return 'passing trouble';
    logger.error({ ...where, code: probe.code }, `The bucket cannot be used: ${probe.message}`);
    return probe.class === 'transient' ? 'passing trouble' : 'blocked';
  }
  if (!probe.tellsMissing) {
    logger.warn(
      where,
      'The credentials lack s3:ListBucket: a missing object looks like a forbidden one, which can block a retry.',
    );
  }
  if (probe.conditional) {
    logger.info(where, 'The bucket takes objects and never overwrites one.');
  } else {
    logger.warn(
      where,
      'The store ignores If-None-Match: it would overwrite an object. Keys name their content, so an overwrite can only write the same rows; use a store that honours it for evidence.',
    );
  }
  return 'healthy';
}
