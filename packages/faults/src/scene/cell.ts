import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { copyToCell, readCommonRows } from '@auditbox/db/migrate/copy-to-cell.ts';
import { startTcpProxy, type TcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import type { OwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { type ProcessRole, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { type Fleet, startFleet } from './fleet.ts';

/** A database of a scene with its exporters, and the proxy in front of it. A scene without cells has one. */
export interface SceneCell {
  /** Empty if there is one database. */
  readonly name: string;
  readonly postgres: OwnPostgres;
  /** A direct connection to the database, not through the proxy, for faults and checks. */
  readonly db: Database;
  readonly databaseUrl: string;
  /** Proxy between the processes and Postgres. */
  readonly line: TcpProxy;
  readonly exporters: Fleet;
  /** Settings of the exporters, for commands of the exporter. */
  readonly exporterEnv: Readonly<Record<string, string>>;
}

const names = ['ash', 'birch', 'cedar', 'elm', 'fir', 'hazel', 'larch', 'maple'];
export const maxCells = names.length;

/** `settings` are those of the exporters that are the same in each cell. */
export async function openCells(
  servers: readonly OwnPostgres[],
  settings: Readonly<Record<string, string>>,
): Promise<readonly SceneCell[]> {
  const databases = await Promise.all(servers.map(({ url }) => createTestDatabase(url)));
  const [first = '', ...others] = databases;
  // As `npm run migrate` with DATABASE_CELLS: an event that is sent again must be recognised in each cell.
  const common = others.length === 0 ? null : await readCommonRows(first);
  for (const [index, url] of others.entries())
    if (common !== null) await copyToCell({ name: names[index + 1] ?? '', url, takesEvents: true }, common);
  return Promise.all(
    servers.map((postgres, index) => {
      const name = servers.length === 1 ? '' : (names[index] ?? '');
      return openCell(name, postgres, databases[index] ?? '', settings);
    }),
  );
}

async function openCell(
  name: string,
  postgres: OwnPostgres,
  databaseUrl: string,
  settings: Readonly<Record<string, string>>,
): Promise<SceneCell> {
  const { hostname: host, port } = new URL(databaseUrl);
  const line = await startTcpProxy({ host, port: Number(port) });
  const db = connectDatabase({
    url: databaseUrl,
    application: 'fault suite',
    maxConnections: 3,
    statementTimeoutMs: 60_000,
  });
  const { EXPORT_LOG_ORIGIN: origin } = settings;
  const exporterEnv = {
    ...settings,
    DATABASE_URL: throughLine({ databaseUrl, line }, 'exporter'),
    ...(name !== '' && { CELL_NAME: name }),
    ...(name !== '' && origin !== undefined && { EXPORT_LOG_ORIGIN: `${origin}/${name}` }),
  };
  const exporters = startFleet({
    main: 'exporter/src/main.ts',
    env: exporterEnv,
    listens: (app) => app.event('exporter-running'),
    count: 1,
  });
  return { name, postgres, db, databaseUrl, line, exporters, exporterEnv };
}

/** The URL of a process: it leads through the proxy. */
export function throughLine({ databaseUrl, line }: Pick<SceneCell, 'databaseUrl' | 'line'>, role: ProcessRole): string {
  const url = new URL(urlAs(role, databaseUrl));
  url.port = String(line.port);
  return url.href;
}

export async function closeCell({ exporters, line, db }: SceneCell): Promise<void> {
  await exporters.close();
  await line.down();
  await db.close(1_000);
}
