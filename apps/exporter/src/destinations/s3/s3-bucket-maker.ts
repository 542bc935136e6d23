import { BucketLocationConstraint, CreateBucketCommand } from '@aws-sdk/client-s3';
import type { SinkRefusal } from '../destination.ts';
import type { S3Access } from './s3-access.ts';
import { toFault } from './s3-fault.ts';
import type { S3Config } from './s3-settings.ts';

/** Makes the bucket. */
export type BucketMaker = (signal: AbortSignal) => Promise<{ readonly kind: 'made' | 'there' } | SinkRefusal>;

/** With Object Lock where objects are to be locked: no store lets a bucket have it later than it was made, or not easily. */
export function createBucketMaker({ client, bucket, bounded, refusal }: S3Access, config: S3Config): BucketMaker {
  return async (signal) => {
    const region = await client.config.region();
    const command = new CreateBucketCommand({
      Bucket: bucket.Bucket,
      ...(config.S3_OBJECT_LOCK_MODE !== undefined && { ObjectLockEnabledForBucket: true }),
      ...(isConstraint(region) && { CreateBucketConfiguration: { LocationConstraint: region } }),
    });
    try {
      await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      return { kind: 'made' };
    } catch (error) {
      const fault = toFault(error);
      return fault.code === 'BucketAlreadyOwnedByYou' ? { kind: 'there' } : refusal(fault, 's3:CreateBucket');
    }
  };
}

/** us-east-1 is none, and other stores' regions are not AWS's. */
function isConstraint(region: string): region is BucketLocationConstraint {
  return Object.values<string>(BucketLocationConstraint).includes(region);
}
