import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { ObjectLockState, S3Inspector } from '../destinations/s3/s3-inspector.ts';
import { explainError, type Finding, fails, notChecked, unknown, works } from './finding.ts';

interface BucketChecked {
  readonly findings: readonly Finding[];
  /** False when no other request can work. */
  readonly isUsable: boolean;
  /** How far the store's clock is ahead of this machine's, in ms. */
  readonly aheadMs: number | null;
}

/** The store's time has whole seconds; half a second is cut off on average. */
const halfSecondMs = 500;

/** Everything that a bucket reports without being written to. */
export async function examineBucket(
  inspector: S3Inspector,
  s3: S3Settings,
  signal: AbortSignal,
): Promise<BucketChecked> {
  const checked = await checkBucket(inspector, s3, signal);
  if (!checked.isUsable)
    return { ...checked, findings: [...checked.findings, ...['versions', 'object lock'].map(notChecked)] };
  const versions = await checkVersions(inspector, s3, signal);
  const lock = describeObjectLock(await inspector.readObjectLock(signal), s3);
  return { ...checked, findings: [...checked.findings, versions.finding, lock] };
}

/** Whether there are credentials, and with them a bucket. */
export async function checkBucket(
  inspector: S3Inspector,
  { bucket }: S3Settings,
  signal: AbortSignal,
): Promise<BucketChecked> {
  const credentials = await inspector.readCredentials(signal);
  if (credentials.kind === 'error') {
    const finding = fails('credentials', credentials.message, explainError(credentials, 'the role'));
    return { findings: [finding, notChecked('bucket')], isUsable: false, aheadMs: null };
  }
  const { source, expiresAt } = credentials;
  const expiry = expiresAt === null ? 'They do not expire.' : `They expire at ${expiresAt}.`;
  const found = works('credentials', `Found in ${source}. ${expiry}`);

  const { error, region, storeTimeMs } = await inspector.readBucket(signal);
  const aheadMs = storeTimeMs === null ? null : storeTimeMs + halfSecondMs - Date.now();
  if (error === null) {
    const where = region === null ? '' : ` It is in the region ${region}.`;
    return { findings: [found, works('bucket', `s3://${bucket} exists.${where}`)], isUsable: true, aheadMs };
  }
  if (error.permission !== null) {
    const says = `The store does not report whether s3://${bucket} exists: ${error.message}`;
    const finding = unknown('bucket', says, explainError(error, `arn:aws:s3:::${bucket}`));
    return { findings: [found, finding], isUsable: true, aheadMs };
  }
  const advice = region === null ? null : `Set S3_REGION to ${region}.`;
  return { findings: [found, fails('bucket', error.message, { advice })], isUsable: false, aheadMs };
}

/** Whether an object that someone else overwrites or deletes in the bucket can be restored. */
export async function checkVersions(
  inspector: S3Inspector,
  { bucket }: S3Settings,
  signal: AbortSignal,
): Promise<{ readonly finding: Finding; readonly keepsVersions: boolean }> {
  const state = await inspector.readVersioning(signal);
  if (state.kind === 'error') {
    const details = explainError(state, `arn:aws:s3:::${bucket}`);
    return { finding: unknown('versions', state.message, details), keepsVersions: false };
  }
  const { keepsVersions } = state;
  if (keepsVersions)
    return { finding: works('versions', 'The bucket keeps versions.', { needed: false }), keepsVersions };
  const advice = 'Enable versioning in the bucket, so that an object that someone else overwrites or deletes is kept.';
  return { finding: works('versions', 'The bucket keeps no versions.', { needed: false, advice }), keepsVersions };
}

const enableLock = 'To prevent deletion by anyone, use a bucket with Object Lock.';
const setRetention =
  'Nothing is locked. Set a default retention for the bucket, or set S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS.';

/** Whether the bucket locks objects, compared with what the settings request. */
export function describeObjectLock(
  state: ObjectLockState | DestinationError,
  { bucket, objectLock }: Pick<S3Settings, 'bucket' | 'objectLock'>,
): Finding {
  const what = 'object lock';
  const needed = objectLock !== null;
  if (state.kind === 'error') return unknown(what, state.message, explainError(state, `arn:aws:s3:::${bucket}`));
  if (!state.enabled && needed)
    return fails(what, 'S3_OBJECT_LOCK_MODE is set, but the bucket has no Object Lock.', {
      advice: 'Enable Object Lock in the bucket.',
    });
  if (!state.enabled)
    return works(what, 'The bucket locks no objects, and the settings do not request it.', {
      needed,
      advice: enableLock,
    });
  const retention = state.defaultRetention ?? 'none by default';
  const isLocked = needed || state.defaultRetention !== null;
  return works(what, `The bucket has Object Lock (${retention}).`, { needed, advice: isLocked ? null : setRetention });
}
