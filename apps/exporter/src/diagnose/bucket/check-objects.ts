import { randomUUID } from 'node:crypto';
import type { ProbeOutcome, Sink } from '../../destinations/destination.ts';
import type { Inspector } from '../../destinations/inspector.ts';
import type { ExporterConfig } from '../../settings.ts';
import { type Finding, fails, reasons, works } from '../finding.ts';
import { notAsked } from './check-bucket.ts';
import { checkKeeping } from './check-keeping.ts';
import { checkVersions } from './check-versions.ts';

/** Readers of Hive-style folders skip names that start with an underscore. */
const markerName = '_auditbox_check_';

type Healthy = Extract<ProbeOutcome, { kind: 'healthy' }>;

/**
 * Whether objects can be created, only created, found and read, by one more object; and how the bucket keeps them.
 * `storedAt` as in SinkObject.
 */
export async function checkObjects(
  { sink, inspector, config }: { sink: Sink; inspector: Inspector; config: ExporterConfig },
  storedAt: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const probe = await sink.probe(storedAt, signal, `${markerName}${randomUUID()}`);
  const versions = await checkVersions(inspector, config, signal);
  if (probe.kind === 'refused') {
    const rest = ['create only', 'find', 'missing objects'].map(notAsked);
    return [fails('create', probe.message, reasons(probe, objectsOf(config))), ...rest, versions.finding];
  }
  return [
    works('create', `${probe.key} was created. It stays there, since Auditbox deletes nothing${lockOf(config)}.`),
    createOnly(probe, versions.kept),
    missingObjects(probe, config),
    ...(await checkKeeping({ inspector, config }, probe.key, signal)),
    await checkRead(sink, config, probe.key, signal),
    versions.finding,
  ];
}

function createOnly({ conditional }: Healthy, keepsVersions: boolean): Finding {
  if (conditional) return works('create only', 'A second PUT of the same key was refused (If-None-Match).');
  const says = 'The store ignores If-None-Match: a second PUT of the same key was taken.';
  if (keepsVersions) return fails('create only', `${says} The bucket keeps the first version.`, { needed: false });
  return fails('create only', says, { advice: 'Let the bucket keep versions, or use a store that honours it.' });
}

function missingObjects({ tellsMissing }: Healthy, config: ExporterConfig): Finding {
  if (tellsMissing) return works('missing objects', 'An object that is missing is called missing.');
  return fails('missing objects', 'A missing object looks like a forbidden one, which can block a retry.', {
    permission: 's3:ListBucket',
    advice: `Allow it on arn:aws:s3:::${config.S3_BUCKET}.`,
  });
}

async function checkRead(sink: Sink, config: ExporterConfig, key: string, signal: AbortSignal): Promise<Finding> {
  const read = await sink.read(key, signal);
  if (read.kind === 'read') return works('read', 'The object can be read back.');
  if (read.kind === 'missing') return fails('read', 'The store does not find the object that it took.');
  const says = `${read.message} An object that a lost answer left is then judged by its label and length.`;
  return fails('read', says, { ...reasons(read, objectsOf(config)), needed: false });
}

function objectsOf({ S3_BUCKET, S3_PREFIX }: ExporterConfig): string {
  return `arn:aws:s3:::${S3_BUCKET}/${S3_PREFIX}*`;
}

function lockOf({ S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days }: ExporterConfig): string {
  return mode === undefined ? '' : `; ${mode} locks it for ${days} days`;
}
