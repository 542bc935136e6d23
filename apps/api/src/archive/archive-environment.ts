import { optional, type Relation, type SettingValues } from '@auditbox/process/settings.ts';
import { s3Environment, s3Relations } from '@auditbox/s3/s3-environment.ts';
import { parseS3Settings, type S3Settings } from '@auditbox/s3/s3-settings.ts';

/** The exporter's settings about the store, for reads of the archive. Without S3_BUCKET the api does not read it. */
export const archiveEnvironment = { ...s3Environment, S3_BUCKET: optional(s3Environment.S3_BUCKET) } as const;

export const archiveRelations = s3Relations as unknown as readonly Relation<typeof archiveEnvironment>[];

/** Null: `archive=true` is refused. */
export function nestArchive({
  S3_BUCKET: bucket,
  ...values
}: SettingValues<typeof archiveEnvironment>): S3Settings | null {
  return bucket === undefined ? null : parseS3Settings({ ...values, S3_BUCKET: bucket });
}
