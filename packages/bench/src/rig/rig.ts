import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTemplate, createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres, { type Sql } from 'postgres';
import { readFamilyCpuMs } from './cpu-time.ts';
import { type NullStore, startNullStore } from './null-store.ts';
import { killPrograms } from './program.ts';

/** A database of one measurement. */
export interface BenchDatabase {
  readonly url: string;
  readonly sql: Sql;
  /** Deletes the database, so that the next measurement has the same space on disk and in memory. */
  drop(): Promise<void>;
}

/** The servers of every measurement: a real Postgres whose commits reach the disk, and the null store. */
export interface Rig {
  readonly store: NullStore;
  /** Options of Node for the measured Auditbox processes. */
  readonly nodeArguments: readonly string[];
  /** A database with Auditbox's schema, or an empty one. */
  database(options?: { readonly empty?: boolean }): Promise<BenchDatabase>;
  /** Processor time of all Postgres processes so far. Null on systems other than Linux. */
  postgresCpuMs(): Promise<number | null>;
  /** Prints progress. */
  say(line: string): void;
  close(): Promise<void>;
}

/** Large enough that checkpoints and a cold cache do not decide the result. All other settings are defaults. */
const postgresSettings = ['shared_buffers=1GB', 'max_wal_size=8GB', 'checkpoint_timeout=30min'];

export async function openRig(nodeArguments: readonly string[], say: (line: string) => void): Promise<Rig> {
  const server: OwnPostgres = await startOwnPostgres({ settings: postgresSettings });
  await createTemplate(server.url, migrateDatabase);
  const store = await startNullStore();
  return {
    store,
    nodeArguments,
    say,
    postgresCpuMs: () => readFamilyCpuMs(server.pid),
    async database(options = {}) {
      const url = await createTestDatabase(server.url, options);
      const sql = postgres(url, { max: 2, onnotice: () => {} });
      return {
        url,
        sql,
        async drop() {
          await sql.end({ timeout: 1 });
          await server.sql.unsafe(`drop database "${new URL(url).pathname.slice(1)}" with (force)`);
          await server.sql`checkpoint`;
        },
      };
    },
    async close() {
      await store.close().catch(() => {});
      killPrograms();
      await server.close();
    },
  };
}
