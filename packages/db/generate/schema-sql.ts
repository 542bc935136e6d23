import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterUrl, initCluster, serverCommand } from '@auditbox/embedded/postgres/cluster.ts';
import { createPostgresRunner } from '@auditbox/embedded/postgres/runner.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import postgres, { type Sql } from 'postgres';
import { toDatabaseError } from '../src/database/database-error.ts';
import { readCatalog } from '../src/doctor/read-catalog.ts';
import { migrateDatabase } from '../src/migrate/migrate.ts';
import { setUpRoles } from '../src/migrate/set-up-roles.ts';
import { describeSchema } from './describe-schema.ts';

/*
 * Writes schema.sql and the doctor's expected-catalog.json: migrates an empty database on a separate embedded Postgres and
 * prints its objects. With --check it only reports whether the files are up to date.
 */

const file = new URL('../schema.sql', import.meta.url);
const header = `-- The migrated schema, to read the current body of each function in one place.
-- Written by \`npm run db:schema\` from a migrated database; changes belong in a migration. Months of audit_log are left out.

`;

const catalogFile = new URL('../src/doctor/expected-catalog.json', import.meta.url);

const { schema, catalog } = await withEmptyServer(readSchema);
for (const [at, text] of [
  [file, header + schema],
  [catalogFile, catalog],
] as const) {
  const before = await readFile(at, 'utf8').catch(() => '');
  if (!process.argv.includes('--check')) {
    await writeFile(at, text);
  } else if (text !== before) {
    process.stderr.write(`${at.pathname} is out of date; run \`npm run db:schema\`.\n`);
    process.exitCode = 1;
  }
}

async function readSchema(url: string): Promise<{ schema: string; catalog: string }> {
  await migrateWhenReady(url);
  // The roles exist only on request; with them the text has their rights too.
  await setUpRoles(url);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`select set_config('search_path', 'pg_catalog, pg_temp', false)`;
    const objects = await readCatalog(sql as Sql);
    const catalog = Object.fromEntries(objects.map(({ object, definition }) => [object, definition]));
    return { schema: await describeSchema(sql as Sql), catalog: `${JSON.stringify(catalog, null, 2)}\n` };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function migrateWhenReady(url: string): Promise<void> {
  for (let triesLeft = 100; ; triesLeft -= 1) {
    try {
      return await migrateDatabase(url);
    } catch (error) {
      if (triesLeft === 0 || toDatabaseError(error)?.retry !== true) throw error;
      await delay(50);
    }
  }
}

async function withEmptyServer<T>(work: (url: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-schema-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(), password: 'empty' };
  try {
    await initCluster(runner, cluster, new AbortController().signal);
    // Nothing here outlives the process, so nothing waits for the disk.
    const command = serverCommand(runner, cluster, ['fsync=off']);
    const server = spawn(command.file, command.args, { ...runner.spawnOptions, cwd: '/', stdio: 'ignore' });
    try {
      return await work(clusterUrl(cluster));
    } finally {
      const ended = once(server, 'exit');
      if (server.kill('SIGINT')) await ended;
    }
  } finally {
    await runner.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}
