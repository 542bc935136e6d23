import { randomUUID } from 'node:crypto';
import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { type S3Proxy, startS3Proxy } from '@auditbox/testing/proxies/s3-proxy.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import type { OwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { closeCell, openCells, type SceneCell, throughLine } from './cell.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { type Pace, quickSettings } from './pace.ts';
import { openReceiver, type Receiver } from './receiver.ts';

/**
 * Real processes with their own databases and bucket, and proxies that can cause faults. Its own database, exporters and
 * proxy are those of the cell that a fault strikes; without cells there are no others.
 */
export interface Scene extends SceneCell {
  readonly pace: Pace;
  /** All cells, the struck one too. */
  readonly cells: readonly SceneCell[];
  /** Proxy between the exporters and the store. Null when they use the store directly. */
  readonly proxy: S3Proxy | null;
  readonly bucket: TestBucket;
  /** Of the destination other than S3. Null when S3 is the only one. */
  readonly receiver: Receiver | null;
  readonly apis: Fleet;
  close(): Promise<void>;
}

/** The store for objects: an embedded store behind a proxy that can lie, or a real store without a proxy. */
export interface Store {
  readonly endpoint: string;
  readonly canLie: boolean;
}

export interface ScenePlan {
  /** One for each cell. */
  readonly servers: readonly OwnPostgres[];
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
  const { servers, store, pace, settings, destination, nodeVariables } = plan;
  const proxy = store.canLie ? await startS3Proxy(store.endpoint, { remember: false }) : null;
  const bucket = await createTestBucket(store.endpoint, { objectLock: !store.canLie });
  const receiver = destination && (await openReceiver(destination));
  const common = { LOG_LEVEL: 'info', ...nodeVariables };
  const cells = await openCells(servers, {
    ...common,
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
  });
  const apis = startFleet({
    main: 'api/src/main.ts',
    env: {
      ...common,
      ...databasesOf(cells),
      PORT: '0',
      AUDIT_MASTER_KEY: masterKey,
      // Each round has its own day, from 2020 on.
      AUDIT_OLDEST_EVENT_DAYS: '36500',
    },
    listens: (app) => app.event('api-listening'),
    count: 1,
  });
  return {
    ...(cells[0] as SceneCell),
    ...{ pace, cells, proxy, bucket, receiver, apis },
    async close() {
      await apis.close();
      await Promise.all(cells.map(closeCell));
      await proxy?.close();
      await receiver?.close();
      bucket.client.destroy();
    },
  };
}

function databasesOf(cells: readonly SceneCell[]): Readonly<Record<string, string>> {
  const [only] = cells;
  if (cells.length === 1 && only !== undefined) return { DATABASE_URL: throughLine(only, 'api') };
  return { DATABASE_CELLS: cells.map((cell) => `${cell.name}=${throughLine(cell, 'api')}`).join(' ') };
}

/** The scene for a fault that strikes this cell. */
export function strikeAt(scene: Scene, cell: SceneCell): Scene {
  return { ...scene, ...cell };
}

/** A new id that the struck cell stores. */
export function idOfCell({ name, cells }: Scene): string {
  const names = cells.map((cell) => cell.name);
  for (;;) {
    const id = randomUUID();
    if (cellOf(id, names) === name) return id;
  }
}
