import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { classifyRefusal } from '@auditbox/core/error-class.ts';
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import type { ExporterConfig } from '../config.ts';
import { explainRefusal, type SinkFault, type SinkPlace } from './explain-refusal.ts';
import { readContent } from './read-content.ts';
import type { HeadOutcome, ProbeOutcome, PutOutcome, ReadOutcome, Sink, SinkObject, SinkRefusal } from './sink.ts';

/** Version of the objects' form, in their metadata: what the lines and their order are. */
const formatVersion = '1';

/** What a captive portal or a wrong proxy looks like. */
const noStore: SinkFault = { status: null, code: 'NoETag', message: "The answer was not a store's." };

/** Readers of Hive-style folders skip names that start with an underscore. */
const probeName = '_auditbox_probe';

/** A bucket of S3 or a store that speaks it. */
export function createS3Sink(client: S3Client, config: ExporterConfig): Sink {
  const place: SinkPlace = {
    bucket: config.S3_BUCKET,
    prefix: config.S3_PREFIX,
    endpoint: config.S3_ENDPOINT,
    timeoutMs: config.S3_REQUEST_TIMEOUT_MS,
  };
  const bucket = {
    Bucket: config.S3_BUCKET,
    ...(config.S3_EXPECTED_BUCKET_OWNER && { ExpectedBucketOwner: config.S3_EXPECTED_BUCKET_OWNER }),
  };

  /** The SDK passes its signal to the request only: looking for credentials would not end without the race. */
  async function bounded<T>(signal: AbortSignal, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(config.S3_REQUEST_TIMEOUT_MS)]);
    abortSignal.throwIfAborted();
    const { promise: over, reject } = Promise.withResolvers<never>();
    abortSignal.addEventListener('abort', () => reject(abortSignal.reason), { once: true });
    return Promise.race([send(abortSignal), over]);
  }

  async function create(
    input: Omit<PutObjectCommandInput, 'Bucket'>,
    storedAt: string,
    signal: AbortSignal,
  ): Promise<PutOutcome> {
    const command = new PutObjectCommand({ ...bucket, ...protection(config, storedAt), ...input, IfNoneMatch: '*' });
    try {
      const { ETag, ChecksumSHA256 } = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      // Every store names an ETag; an answer without one came from something else on the way.
      const isOurs = ETag && (ChecksumSHA256 ?? input.ChecksumSHA256) === input.ChecksumSHA256;
      return { kind: isOurs ? 'stored' : 'doubtful' };
    } catch (error) {
      const fault = toFault(error);
      // 304 is what some older stores answer instead of 412.
      if (fault.status === 412 || fault.status === 304) return { kind: 'exists' };
      return refusal(fault, place);
    }
  }

  async function head(key: string, signal: AbortSignal): Promise<HeadOutcome> {
    try {
      const command = new HeadObjectCommand({ ...bucket, Key: key });
      const found = await bounded(signal, (abortSignal) => client.send(command, { abortSignal }));
      const { ETag, Metadata = {}, ContentLength: objectBytes = null } = found;
      if (!ETag) return refusal(noStore, place);
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
        if (!ETag) return refusal(noStore, place);
        return { kind: 'read', content: await readContent(Body as Readable) };
      });
    } catch (error) {
      return missingOrRefused(error);
    }
  }

  function missingOrRefused(error: unknown): { readonly kind: 'missing' } | SinkRefusal {
    const fault = toFault(error);
    return fault.code === 'NotFound' || fault.code === 'NoSuchKey' ? { kind: 'missing' } : refusal(fault, place);
  }

  return {
    put: ({ key, body, storedAt, ...about }: SinkObject, signal) =>
      create(
        {
          Key: key,
          Body: body,
          ContentLength: body.length,
          ContentType: 'application/gzip',
          ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
          Metadata: toMetadata(about),
        },
        storedAt,
        signal,
      ),

    head,

    read,

    async probe(storedAt, signal): Promise<ProbeOutcome> {
      const body = Buffer.from('Auditbox asks with this object whether it may create objects here.\n');
      const ChecksumSHA256 = createHash('sha256').update(body).digest('base64');
      const input = {
        Key: `${place.prefix}${probeName}`,
        Body: body,
        ContentType: 'text/plain',
        ChecksumSHA256,
      };
      // The second PUT tells a store that honours If-None-Match from one that reads over it.
      const first = await create(input, storedAt, signal);
      const last = first.kind === 'stored' ? await create(input, storedAt, signal) : first;
      if (last.kind === 'refused') return last;
      if (last.kind === 'doubtful') return refusal(noStore, place);
      // S3 answers 403 for a missing key to callers who may not list; a retry could then not tell what is there.
      const missing = await head(`${input.Key}_missing`, signal);
      return { kind: 'healthy', conditional: last.kind === 'exists', tellsMissing: missing.kind !== 'refused' };
    },

    close: () => client.destroy(),
  };
}

/** A retention counts from `storedAt`: this machine's clock may be wrong. */
function protection(config: ExporterConfig, storedAt: string): Partial<PutObjectCommandInput> {
  const { S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days } = config;
  return {
    ...(config.S3_SSE && { ServerSideEncryption: config.S3_SSE }),
    ...(config.S3_SSE_KMS_KEY_ID && { SSEKMSKeyId: config.S3_SSE_KMS_KEY_ID }),
    ...(config.S3_STORAGE_CLASS && { StorageClass: config.S3_STORAGE_CLASS as 'STANDARD' }),
    ...(mode &&
      days && { ObjectLockMode: mode, ObjectLockRetainUntilDate: new Date(Date.parse(storedAt) + days * 86_400_000) }),
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

function toFault(error: unknown): SinkFault {
  const { name, message, code, $metadata } = error as Partial<S3ServiceException> & { code?: unknown };
  const status = $metadata?.httpStatusCode ?? null;
  // A network fault's errno says more than its name, which is "Error".
  return {
    status,
    code: typeof code === 'string' && status === null ? code : (name ?? 'Unknown'),
    message: message ?? '',
  };
}

function refusal(fault: SinkFault, place: SinkPlace): SinkRefusal {
  return { kind: 'refused', class: classifyRefusal(fault), code: fault.code, message: explainRefusal(fault, place) };
}
