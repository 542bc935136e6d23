import { inject } from 'vitest';
import { createTestBucket, type TestBucket, testCredentials } from './bucket.ts';
import { type S3Proxy, startS3Proxy } from './s3-proxy.ts';
import { type App, endApps, spawnApp } from './spawn-app.ts';
import { openTestDatabase, type TestDatabase } from './test-database.ts';
import { exporterRole, urlAs } from './test-roles.ts';

/** A database, a bucket behind a proxy that can fail, and exporters as processes of their own. */
export interface ExporterFixture {
  readonly db: TestDatabase;
  readonly proxy: S3Proxy;
  readonly bucket: TestBucket;
  readonly env: Record<string, string>;
  /** Starts an exporter; `settings` override the fixture's. */
  start(args?: readonly string[], settings?: Record<string, string>): App;
  /** Runs `--once` to its end. */
  drain(settings?: Record<string, string>): Promise<App>;
  close(): Promise<void>;
}

export async function createExporterFixture(): Promise<ExporterFixture> {
  const db = await openTestDatabase();
  const proxy = await startS3Proxy(inject('s3Endpoint'));
  const bucket = await createTestBucket(inject('s3Endpoint'));
  const env = exporterEnv({ databaseUrl: db.url, endpoint: proxy.endpoint, bucket: bucket.name });
  const start: ExporterFixture['start'] = (args = [], settings = {}) =>
    spawnApp(
      'exporter/src/main.ts',
      { ...env, DATABASE_URL: urlAs(exporterRole(settings), db.url), ...settings },
      args,
    );
  return {
    db,
    proxy,
    bucket,
    env,
    start,
    async drain(settings) {
      const app = start(['--once'], settings);
      await app.ended;
      return app;
    },
    async close() {
      await endApps();
      await proxy.close();
      await db.close(1_000);
      bucket.client.destroy();
    },
  };
}

/** Settings of an exporter under test: nothing lingers, so that tests need not wait. */
export function exporterEnv({
  databaseUrl,
  endpoint,
  bucket,
}: {
  databaseUrl: string;
  endpoint: string;
  bucket: string;
}) {
  return {
    DATABASE_URL: urlAs('exporter', databaseUrl),
    S3_BUCKET: bucket,
    S3_ENDPOINT: endpoint,
    S3_REGION: 'us-east-1',
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testCredentials.secretAccessKey,
    METRICS_PORT: '0',
    LOG_LEVEL: 'debug',
    EXPORT_LINGER_MS: '0',
    EXPORT_POLL_INTERVAL_MS: '50',
  };
}
