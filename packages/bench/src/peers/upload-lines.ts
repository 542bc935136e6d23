import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { setting } from './setting.ts';

/** zlib's default is 6. */
const gzipLevel = Number(process.env.GZIP_LEVEL ?? 6);

/** Rows per object, the same for all peers that can choose it. */
export const rowsPerObject = 1000;

/** Uploads events as one object with one JSON line per event. */
export type UploadLines = (events: readonly unknown[]) => Promise<void>;

/** Reads S3_ENDPOINT and S3_BUCKET from the environment. */
export function connectStore(): UploadLines {
  const compress = promisify(gzip);
  const bucket = setting('S3_BUCKET');
  const store = new S3Client({
    endpoint: setting('S3_ENDPOINT'),
    region: 'us-east-1',
    credentials: { accessKeyId: 'BENCH', secretAccessKey: 'BENCHSECRET' },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    maxAttempts: 3,
  });
  return async (events) => {
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    await store.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: `audit_logs/dt=${new Date().toISOString().slice(0, 10)}/${randomUUID()}.ndjson.gz`,
        Body: await compress(lines, { level: gzipLevel }),
        ContentType: 'application/x-ndjson',
        ContentEncoding: 'gzip',
        Metadata: { rows: String(events.length) },
      }),
    );
  };
}
