import type { SinkRefusal } from '../../destinations/destination.ts';
import type { Inspector, ObjectKeeping, ObjectLockState } from '../../destinations/inspector.ts';
import type { ExporterConfig } from '../../settings.ts';
import { type Finding, fails, reasons, unknown, works } from '../finding.ts';
import { bucketLock } from './bucket-lock.ts';

/** Whether the object is found again, and is encrypted and locked as the settings ask. */
export async function checkKeeping(
  { inspector, config }: { inspector: Inspector; config: ExporterConfig },
  key: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const lock = await inspector.objectLock(signal);
  const kept = await inspector.keeping(key, signal);
  if (kept.kind === 'missing') return [fails('find', 'The store does not find the object that it took.')];
  if (kept.kind === 'refused')
    return [fails('find', kept.message, reasons(kept, `arn:aws:s3:::${config.S3_BUCKET}/${config.S3_PREFIX}*`))];
  const found = works('find', `The object is found by its key${kept.storageClass ? ` (${kept.storageClass})` : ''}.`);
  return [found, encryption(kept, config), objectLock(kept, lock, config)];
}

function encryption({ encryption: kind, kmsKey }: ObjectKeeping, { S3_SSE: asked }: ExporterConfig): Finding {
  if (asked !== undefined && kind !== asked) {
    const says = `S3_SSE asks for ${asked}; the store says that the object is encrypted with ${kind ?? 'nothing'}.`;
    return fails('encryption', says, { advice: 'Ask the store for what it can, or leave it to the bucket.' });
  }
  if (kind === null) return unknown('encryption', 'The store does not say whether it encrypts.');
  return works('encryption', `The object is encrypted with ${kind}${kmsKey ? `, the key ${kmsKey}` : ''}.`);
}

/** A HEAD tells the lock only to those who may read it. */
function objectLock(
  { lockMode, lockedUntil }: ObjectKeeping,
  bucket: ObjectLockState | SinkRefusal,
  config: ExporterConfig,
): Finding {
  if (lockMode !== null) return works('object lock', `The object is locked until ${lockedUntil} (${lockMode}).`);
  const ofBucket = bucketLock(bucket, config);
  const locks = bucket.kind === 'known' && bucket.enabled;
  const says = `${ofBucket.says} The object's own lock may not be read.`;
  return locks ? { ...ofBucket, says, permission: 's3:GetObjectRetention' } : ofBucket;
}
