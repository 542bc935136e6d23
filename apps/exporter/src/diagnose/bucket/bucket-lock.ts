import type { SinkRefusal } from '../../destinations/destination.ts';
import type { ObjectLockState } from '../../destinations/inspector.ts';
import { type Finding, fails, reasons, unknown, works } from '../finding.ts';

interface Asked {
  readonly S3_BUCKET: string;
  readonly S3_OBJECT_LOCK_MODE?: string | undefined;
}

const what = 'object lock';

/** Whether the bucket locks objects, beside what the settings ask for. */
export function bucketLock(
  bucket: ObjectLockState | SinkRefusal,
  { S3_BUCKET, S3_OBJECT_LOCK_MODE: asked }: Asked,
): Finding {
  const needed = asked !== undefined;
  if (bucket.kind === 'refused') return unknown(what, bucket.message, reasons(bucket, `arn:aws:s3:::${S3_BUCKET}`));
  if (!bucket.enabled) {
    if (!needed) return works(what, 'The bucket locks nothing, and nothing asks for it.', { needed, advice: enable });
    return fails(what, 'S3_OBJECT_LOCK_MODE is set; the bucket has no Object Lock.', { advice: 'Enable it there.' });
  }
  const retention = bucket.defaultRetention ?? 'none by default';
  const locks = needed || bucket.defaultRetention !== null;
  return works(what, `The bucket has Object Lock (${retention}).`, { needed, advice: locks ? null : retain });
}

const retain =
  'Give the bucket a default retention, or set S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS: nothing is locked.';
const enable = 'Where nobody may delete an object, use a bucket with Object Lock.';
