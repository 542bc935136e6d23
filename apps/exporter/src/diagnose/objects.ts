import { randomUUID } from 'node:crypto';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import type { Destination, DestinationError, ProbeOutcome } from '../destinations/destination.ts';
import type { ObjectLockState, ObjectProtection, S3Inspector } from '../destinations/s3/s3-inspector.ts';
import { checkVersions, describeObjectLock } from './bucket.ts';
import { explainError, type Finding, fails, notChecked, unknown, works } from './finding.ts';

/** Readers of Hive-style folders skip names that start with an underscore. */
const markerName = '_auditbox_check_';

type Healthy = Extract<ProbeOutcome, { kind: 'healthy' }>;

/**
 * Writes one object, and checks that objects can be created, only created, found and read, and how the bucket protects
 * them. `storedAt` as in DestinationObject.
 */
export async function checkObjects(
  { destination, inspector, s3 }: { destination: Destination; inspector: S3Inspector; s3: S3Settings },
  storedAt: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const probe = await destination.probe(storedAt, signal, `${markerName}${randomUUID()}`);
  const versions = await checkVersions(inspector, s3, signal);
  if (probe.kind === 'error') {
    const create = fails('create', probe.message, explainError(probe, objectsArn(s3)));
    return [create, ...['create only', 'find', 'missing objects'].map(notChecked), versions.finding];
  }
  const { objectLock } = s3;
  const lock = objectLock && `; ${objectLock.mode} locks it for ${objectLock.days} days`;
  return [
    works('create', `${probe.key} was created. It stays there, because Auditbox deletes nothing${lock ?? ''}.`),
    checkCreateOnly(probe, versions.keepsVersions),
    checkMissing(probe, s3),
    ...(await checkProtection(inspector, s3, probe.key, signal)),
    await checkRead(destination, s3, probe.key, signal),
    versions.finding,
  ];
}

function checkCreateOnly({ conditional }: Healthy, keepsVersions: boolean): Finding {
  if (conditional) return works('create only', 'The store refused a second PUT of the same key (If-None-Match).');
  const says = 'The store ignores If-None-Match: it accepted a second PUT of the same key.';
  if (keepsVersions) return fails('create only', `${says} The bucket keeps the first version.`, { needed: false });
  const advice = 'Enable versioning in the bucket, or use a store that honours If-None-Match.';
  return fails('create only', says, { advice });
}

function checkMissing({ reportsMissing }: Healthy, { bucket }: S3Settings): Finding {
  if (reportsMissing) return works('missing objects', 'The store reports a missing object as missing.');
  return fails('missing objects', 'The store reports a missing object as forbidden, which can block a retry.', {
    permission: 's3:ListBucket',
    advice: `Allow it on arn:aws:s3:::${bucket}.`,
  });
}

async function checkRead(destination: Destination, s3: S3Settings, key: string, signal: AbortSignal): Promise<Finding> {
  const read = await destination.read(key, signal);
  if (read.kind === 'read') return works('read', 'The object can be read back.');
  if (read.kind === 'missing') return fails('read', 'The store does not find the object that it accepted.');
  const says = `${read.message} After an upload whose answer was lost, only label and length of the object can be compared.`;
  return fails('read', says, { ...explainError(read, objectsArn(s3)), needed: false });
}

/** Whether the object is found, and is encrypted and locked as the settings request. */
async function checkProtection(
  inspector: S3Inspector,
  s3: S3Settings,
  key: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const bucketLock = await inspector.readObjectLock(signal);
  const object = await inspector.readProtection(key, signal);
  if (object.kind === 'missing') return [fails('find', 'The store does not find the object that it accepted.')];
  if (object.kind === 'error') return [fails('find', object.message, explainError(object, objectsArn(s3)))];
  const { storageClass } = object;
  const found = works('find', `The object is found by its key${storageClass ? ` (${storageClass})` : ''}.`);
  return [found, checkEncryption(object, s3), checkLock(object, bucketLock, s3)];
}

function checkEncryption({ encryption: kind, kmsKey }: ObjectProtection, { encryption }: S3Settings): Finding {
  if (encryption !== null && kind !== encryption.kind) {
    const says = `S3_SSE is ${encryption.kind}; the store reports ${kind ?? 'no encryption'} for the object.`;
    const advice = 'Set S3_SSE to an encryption that the store supports, or leave the encryption to the bucket.';
    return fails('encryption', says, { advice });
  }
  if (kind === null) return unknown('encryption', 'The store does not report whether it encrypts.');
  return works('encryption', `The object is encrypted with ${kind}${kmsKey ? `, the key ${kmsKey}` : ''}.`);
}

function checkLock(
  { lockMode, lockedUntil }: ObjectProtection,
  bucketLock: ObjectLockState | DestinationError,
  s3: S3Settings,
): Finding {
  if (lockMode !== null) return works('object lock', `The object is locked until ${lockedUntil} (${lockMode}).`);
  const finding = describeObjectLock(bucketLock, s3);
  if (bucketLock.kind === 'error' || !bucketLock.enabled) return finding;
  // A HEAD reports the lock only to callers with this permission.
  const says = `${finding.says} The lock of the object itself cannot be read.`;
  return { ...finding, says, permission: 's3:GetObjectRetention' };
}

function objectsArn({ bucket, prefix }: S3Settings): string {
  return `arn:aws:s3:::${bucket}/${prefix}*`;
}
