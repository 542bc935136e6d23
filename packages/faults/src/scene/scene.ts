import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { type S3Proxy, startS3Proxy } from '@auditbox/testing/proxies/s3-proxy.ts';
import { startTcpProxy, type TcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import type { OwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { type ProcessRole, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type Pace, quickSettings } from './pace.ts';
import { openReceiver, type Receiver } from './receiver.ts';

/** Real processes with their own database and bucket, and proxies that can cause faults. */
export interface Scene {
  readonly pace: Pace;
  readonly postgres: OwnPostgres;
  /** A direct connection to the database, not through the proxy, for faults and checks. */
  readonly db: Database;
  readonly databaseUrl: string;
  /** Proxy between the processes and Postgres. */
  readonly line: TcpProxy;
  /** Proxy between the exporters and the store. Null when they use the store directly. */
  readonly proxy: S3Proxy | null;
  readonly bucket: TestBucket;
  /** Of the destination other than S3. Null when S3 is the only one. */
  readonly receiver: Receiver | null;
  readonly apis: Fleet;
  readonly exporters: Fleet;
  /** Settings of the exporters, for commands of the exporter. */
  readonly exporterEnv: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The store for objects: an embedded store behind a proxy that can lie, or a real store without a proxy. */
export interface Store {
  readonly endpoint: string;
  readonly canLie: boolean;
}

export interface ScenePlan {
  readonly postgres: OwnPostgres;
  readonly store: Store;
  readonly pace: Pace;
  /** Additional settings of the exporters. */
  readonly settings: Readonly<Record<string, string>>;
  /** The entry of a destination other than S3, or null. */
  readonly destination: Readonly<Record<string, unknown>> | null;
  /** Environment variables of Node, for every process. */
  readonly nodeVariables: Readonly<Record<string, string>>;
}

export const masterKey = 'master-key-of-the-fault-suite-as-long-as-32-random-bytes';

export async function openScene(plan: ScenePlan): Promise<Scene> {
  const { postgres, store, pace, settings, destination, nodeVariables } = plan;
  const databaseUrl = await createTestDatabase(postgres.url);
  const { hostname: host, port } = new URL(databaseUrl);
  const line = await startTcpProxy({ host, port: Number(port) });
  const proxy = store.canLie ? await startS3Proxy(store.endpoint, { remember: false }) : null;
  const bucket = await createTestBucket(store.endpoint, { objectLock: !store.canLie });
  const receiver = destination && (await openReceiver(destination));
  const db = connectDatabase({
    url: databaseUrl,
    application: 'fault suite',
    maxConnections: 3,
    statementTimeoutMs: 60_000,
  });
  const throughLine = (role: ProcessRole) => {
    const url = new URL(urlAs(role, databaseUrl));
    url.port = String(line.port);
    return url.href;
  };
  const common = { LOG_LEVEL: 'info', ...nodeVariables };
  const exporterEnv = {
    ...common,
    DATABASE_URL: throughLine('exporter'),
    ...(pace === 'quick' && quickSettings),
    // A real store under load is slow. With the short time-out of the quick settings, uploads would never finish.
    ...(!store.canLie && {
      S3_OBJECT_LOCK_MODE: 'COMPLIANCE',
      S3_OBJECT_LOCK_DAYS: '1',
      S3_REQUEST_TIMEOUT_MS: '2000',
      EXPORT_LEASE_MS: '4000',
    }),
    S3_BUCKET: bucket.name,
    S3_ENDPOINT: proxy?.endpoint ?? store.endpoint,
    S3_REGION: 'us-east-1',
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testCredentials.secretAccessKey,
    METRICS_PORT: '0',
    ...receiver?.settings,
    ...settings,
  };
  const apis = startFleet({
    main: 'api/src/main.ts',
    env: {
      ...common,
      DATABASE_URL: throughLine('api'),
      PORT: '0',
      AUDIT_MASTER_KEY: masterKey,
      // Each round has its own day, from 2020 on.
      AUDIT_OLDEST_EVENT_DAYS: '36500',
    },
    listens: (app) => app.event('api-listening'),
    count: 1,
  });
  const exporters = startFleet({
    main: 'exporter/src/main.ts',
    env: exporterEnv,
    listens: (app) => app.event('exporter-running'),
    count: 1,
  });
  return {
    pace,
    postgres,
    db,
    databaseUrl,
    line,
    proxy,
    bucket,
    receiver,
    apis,
    exporters,
    exporterEnv,
    async close() {
      await Promise.all([apis.close(), exporters.close()]);
      await proxy?.close();
      await receiver?.close();
      await line.down();
      await db.close(1_000);
      bucket.client.destroy();
    },
  };
}
