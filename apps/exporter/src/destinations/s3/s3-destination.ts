import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import type {
  HeadOutcome,
  ProbeOutcome,
  PutOutcome,
  ReadOutcome,
  Sink,
  SinkObject,
  SinkRefusal,
} from '../destination.ts';
import { readContent } from './read-content.ts';
import type { S3Access } from './s3-access.ts';
import { noStore, toFault } from './s3-fault.ts';
import { checksum, protection, putPermissions, sha256Of } from './s3-put-headers.ts';
import type { S3Config } from './s3-settings.ts';

/** Version of the objects' form, in their metadata: what the lines and their order are. */
const formatVersion = '1';

/** Readers of Hive-style folders skip names that start with an underscore. */
const probeName = '_auditbox_probe';

const getPermissions = 's3:GetObject; s3:ListBucket where the object is missing';

type CreateInput = Omit<PutObjectCommandInput, 'Bucket' | 'Body'> & { readonly Body: Buffer };

/** A bucket of S3 or a store that speaks it. */
export function createS3Sink({ client, bucket, prefix, bounded, refusal }: S3Access, config: S3Config): Sink {
  const toPut = putPermissions(config);

  async function create(input: CreateInput, storedAt: string, signal: AbortSignal): Promise<PutOutcome> {
    const { Body } = input;
    const asked = { ...protection(config, storedAt), ...checksum(config, Body) };
    const command = new PutObjectCommand({ ...bucket, ...asked, ...input, IfNoneMatch: '*' });
    try {
      const { ETag, ChecksumSHA256 } = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      // Every store names an ETag; an answer without one came from something else on the way.
      const isOurs = ETag && (ChecksumSHA256 === undefined || ChecksumSHA256 === sha256Of(Body));
      return { kind: isOurs ? 'stored' : 'doubtful' };
    } catch (error) {
      const fault = toFault(error);
      // 304 is what some older stores answer instead of 412.
      if (fault.status === 412 || fault.status === 304) return { kind: 'exists' };
      return refusal(fault, toPut);
    }
  }

  async function head(key: string, signal: AbortSignal): Promise<HeadOutcome> {
    try {
      const command = new HeadObjectCommand({ ...bucket, Key: key });
      const found = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      const { ETag, Metadata = {}, ContentLength: objectBytes = null } = found;
      if (!ETag) return refusal(noStore, getPermissions);
      return { kind: 'found', sha256: Metadata.sha256 ?? null, rows: Metadata.rows ?? null, objectBytes };
    } catch (error) {
      return missingOrRefused(error);
    }
  }

  async function read(key: string, signal: AbortSignal): Promise<ReadOutcome> {
    try {
      return await bounded(signal, async (abortSignal) => {
        const command = new GetObjectCommand({ ...bucket, Key: key });
        const { ETag, Body } = await client.send(command, { abortSignal });
        if (!ETag) return refusal(noStore, getPermissions);
        return { kind: 'read', content: await readContent(Body as Readable) };
      });
    } catch (error) {
      return missingOrRefused(error);
    }
  }

  function missingOrRefused(error: unknown): { readonly kind: 'missing' } | SinkRefusal {
    const fault = toFault(error);
    return fault.code === 'NotFound' || fault.code === 'NoSuchKey'
      ? { kind: 'missing' }
      : refusal(fault, getPermissions);
  }

  return {
    put: ({ key, body, storedAt, ...about }: SinkObject, signal) =>
      create(
        {
          Key: key,
          Body: body,
          ContentLength: body.length,
          ContentType: 'application/gzip',
          Metadata: toMetadata(about),
        },
        storedAt,
        signal,
      ),

    head,

    read,

    async probe(storedAt, signal, name = probeName): Promise<ProbeOutcome> {
      const Body = Buffer.from('Auditbox asks with this object whether it may create objects here.\n');
      const key = `${prefix}${name}`;
      const input = { Key: key, Body, ContentType: 'text/plain' };
      // The second PUT tells a store that honours If-None-Match from one that reads over it.
      const first = await create(input, storedAt, signal);
      const last = first.kind === 'stored' ? await create(input, storedAt, signal) : first;
      if (last.kind === 'refused') return last;
      if (last.kind === 'doubtful') return refusal(noStore, toPut);
      // S3 answers 403 for a missing key to callers who may not list; a retry could then not tell what is there.
      const missing = await head(`${key}_missing`, signal);
      const tellsMissing = missing.kind !== 'refused' || missing.class === 'transient';
      return { kind: 'healthy', key, conditional: last.kind === 'exists', tellsMissing };
    },

    close: () => client.destroy(),
  };
}

function toMetadata({ rows, sha256, firstOccurredAt, lastOccurredAt }: Omit<SinkObject, 'key' | 'body' | 'storedAt'>) {
  return {
    rows: String(rows),
    sha256,
    'first-event': firstOccurredAt,
    'last-event': lastOccurredAt,
    format: formatVersion,
  };
}
