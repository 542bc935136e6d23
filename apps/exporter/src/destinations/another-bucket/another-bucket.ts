import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Destination, Finding, Outcome, RejectedRow } from '@auditbox/destination-kit/destination.ts';
import { readObject, readText } from '@auditbox/s3/read-object.ts';
import { createS3Access } from '@auditbox/s3/s3-access.ts';
import { createS3Client } from '@auditbox/s3/s3-client.ts';
import type { DestinationType } from '../configured/destination-type.ts';
import type { DestinationError } from '../destination.ts';
import { createS3Destination } from '../s3/s3-destination.ts';
import { createS3Objects } from '../s3/s3-objects.ts';
import { bucketOptions, toS3Settings } from './bucket-options.ts';
import { type CopiedObject, objectOfEach, objectsByHour } from './objects-of.ts';

/** In another thread. */
const compress = promisify(gzip);

/** Objects on their way at once. */
const uploads = 16;
const usualBytes = 4_000_000;
const usualEvents = 500;
const mostRowBytes = 64 * 1024 * 1024;

/**
 * A bucket next to the archive: of another account, with another prefix or format. It has no log and proves nothing, but
 * its objects are created only, like those of the archive.
 */
export const anotherBucket: DestinationType<typeof bucketOptions> = {
  options: bucketOptions,
  secrets: ['accessKeyId', 'secretAccessKey', 'sessionToken', 'roleExternalId'],
  create(options, { env }, { timeoutMs }): Destination {
    const settings = toS3Settings(options, env, timeoutMs);
    const client = createS3Client(settings, uploads);
    const access = createS3Access(client, settings);
    const { create, head } = createS3Objects(access, settings);
    const isBatched = options.layout === 'batches';
    const objectsOf = isBatched ? objectsByHour : objectOfEach;

    /** Null when the object is there. */
    async function store(object: CopiedObject, signal: AbortSignal): Promise<DestinationError | 'other' | null> {
      const { key: Key, text, isCompressed, sha256, rows } = object;
      const Body = isCompressed ? await compress(text, { level: 3 }) : Buffer.from(text);
      const ContentType = isCompressed ? 'application/gzip' : 'application/json';
      const Metadata = { sha256, rows: String(rows) };
      const put = await create({ Key, Body, ContentType, Metadata }, new Date().toISOString(), signal);
      if (put.kind === 'stored') return null;
      if (put.kind === 'error') return put;
      // It was there, or the answer may be of a proxy: what is there now decides.
      const found = await head(Key, signal);
      if (found.kind === 'error') return found;
      if (found.kind === 'missing') return notThere(Key);
      const there = found.sha256 ?? (await hashOf(object, found.objectBytes, signal));
      if (typeof there === 'object' && there !== null) return there;
      return there === sha256 ? null : 'other';
    }

    /** Of what is under an object's key. A gateway may strip metadata, and then the content decides. */
    async function hashOf({ key, isCompressed }: CopiedObject, length: number | null, signal: AbortSignal) {
      const read = isCompressed ? await readObject(access, key, signal) : await readText(access, key, length, signal);
      if (read.kind === 'error') return read;
      return read.kind === 'missing' ? notThere(key) : (read.content?.sha256 ?? null);
    }

    return {
      limits: {
        maxRows: options.maxRows ?? (isBatched ? 50_000 : usualEvents),
        maxBytes: options.maxBytes ?? usualBytes,
        maxRowBytes: mostRowBytes,
      },
      async deliver(request, signal): Promise<Outcome> {
        const rejected: RejectedRow[] = [];
        for (const objects of inGroups(objectsOf(settings.prefix, request))) {
          const outcomes = await Promise.all(objects.map((object) => store(object, signal)));
          const error = outcomes.find((outcome) => outcome !== null && outcome !== 'other');
          // What is stored already is found again by the next attempt.
          if (error) return toOutcome(error);
          for (const [index, outcome] of outcomes.entries())
            if (outcome === 'other') rejected.push(...rejectRows(objects[index] as CopiedObject));
        }
        return rejected.length === 0 ? { kind: 'taken' } : { kind: 'taken-but', rejected };
      },
      async check(signal): Promise<readonly Finding[]> {
        const probe = await createS3Destination(access, settings).probe(new Date().toISOString(), signal);
        if (probe.kind === 'error') return [{ says: inOwnWords(probe.message), stopsDelivery: true }];
        if (probe.conditional) return [];
        const says = 'The store ignores If-None-Match, so a repeated request writes its objects again.';
        return [{ says, stopsDelivery: false }];
      },
      close: async () => client.destroy(),
    };
  },
};

function notThere(key: string): DestinationError {
  const message = `The store took ${key}, but does not have it.`;
  return { kind: 'error', class: 'transient', code: 'NotStored', message, permission: null };
}

function inGroups(objects: readonly CopiedObject[]): CopiedObject[][] {
  const groups: CopiedObject[][] = [];
  for (let at = 0; at < objects.length; at += uploads) groups.push(objects.slice(at, at + uploads));
  return groups;
}

function rejectRows({ key, first, rows }: CopiedObject): RejectedRow[] {
  const reason = `There is another object at ${key}. It was not overwritten.`;
  return Array.from({ length: rows }, (_, index) => ({ index: first + index, reason }));
}

/** An object that can never be stored is too large for this store. */
function toOutcome({ class: kind, code, message }: DestinationError): Outcome {
  if (kind === 'permanent') return { kind: 'too-large' };
  return { kind: kind === 'transient' ? 'retry' : 'blocked', code, reason: inOwnWords(message) };
}

const ownWords: Readonly<Record<string, string>> = {
  S3_BUCKET: 'bucket',
  S3_REGION: 'region',
  S3_ROLE_ARN: 'roleArn',
  S3_SSE: 'sse',
  S3_STORAGE_CLASS: 'storageClass',
  S3_EXPECTED_BUCKET_OWNER: 'expectedOwner',
  S3_CA_FILE: 'ca',
};

/** The sentences about the archive's bucket name its settings. */
function inOwnWords(message: string): string {
  return message.replace(/\bS3_[A-Z_]+\b/g, (name) => ownWords[name] ?? name);
}
