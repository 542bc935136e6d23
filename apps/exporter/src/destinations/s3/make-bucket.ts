import type { S3Access } from '@auditbox/s3/s3-access.ts';
import { toS3Error } from '@auditbox/s3/s3-error.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { BucketLocationConstraint, CreateBucketCommand } from '@aws-sdk/client-s3';
import type { DestinationError } from '../destination.ts';

/** Makes the bucket. With Object Lock where objects are to be locked: a store rarely allows it for an existing bucket. */
export async function makeS3Bucket(
  { client, bucket, bounded, toDestinationError }: S3Access,
  { objectLock }: S3Settings,
  signal: AbortSignal,
): Promise<{ readonly kind: 'made' | 'exists' } | DestinationError> {
  const region = await client.config.region();
  const command = new CreateBucketCommand({
    Bucket: bucket.Bucket,
    ...(objectLock !== null && { ObjectLockEnabledForBucket: true }),
    ...(isConstraint(region) && { CreateBucketConfiguration: { LocationConstraint: region } }),
  });
  try {
    await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
    return { kind: 'made' };
  } catch (thrown) {
    const error = toS3Error(thrown);
    return error.code === 'BucketAlreadyOwnedByYou' ? { kind: 'exists' } : toDestinationError(error, 's3:CreateBucket');
  }
}

/** us-east-1 is not a location constraint, and neither are the regions of other stores. */
function isConstraint(region: string): region is BucketLocationConstraint {
  return Object.values<string>(BucketLocationConstraint).includes(region);
}
