import { setTimeout as delay } from 'node:timers/promises';
import { connectDatabase, type Database } from './database/connect.ts';
import { toDatabaseError } from './database/database-error.ts';
import { parseCommand } from './migrate/cli.ts';
import { migrateDatabase } from './migrate/migrate.ts';
import { dropSearchIndex, makeSearchIndex } from './migrate/search-index.ts';
import { RolesForbiddenError, setUpRoles } from './migrate/set-up-roles.ts';

/* `npm run migrate`: brings the schema up to date. Waits for a database that does not answer yet. */

const waitMs = 60_000;

const { searchIndex, roles } = parseCommand(process.argv.slice(2));
const url = process.env.DATABASE_URL;
if (!url) exitWith('DATABASE_URL is not set. Set it to a URL such as postgres://user:password@host:5432/database.');
const giveUpAt = performance.now() + waitMs;
for (let isFirst = true; ; isFirst = false) {
  try {
    await migrateDatabase(url);
    break;
  } catch (error) {
    const databaseError = toDatabaseError(error);
    if (databaseError === null) exitWith(String(error));
    if (!databaseError.retry || performance.now() > giveUpAt) exitWith(databaseError.sentence);
    if (isFirst) process.stderr.write(`${databaseError.sentence} Waiting up to ${waitMs / 1000} s.\n`);
    await delay(500);
  }
}
process.stdout.write('The schema is up to date.\n');
if (searchIndex !== null) await withDatabase(url, (db) => switchSearchIndex(db, searchIndex));
if (roles) await withDatabase(url, makeRoles);

async function switchSearchIndex(db: Database, state: 'on' | 'off'): Promise<void> {
  if (state === 'off') await dropSearchIndex(db);
  else await makeSearchIndex(db, (line) => process.stdout.write(`Indexing words: ${line}\n`));
  process.stdout.write(`The index of words is ${state}.\n`);
}

async function makeRoles(db: Database): Promise<void> {
  const { seeSessions } = await setUpRoles(db);
  process.stdout.write(
    'The roles auditbox_api, auditbox_exporter and auditbox_retention have their rights in this database.\n',
  );
  if (!seeSessions)
    process.stderr.write(
      'The roles may not see which transactions run, which `recorded_after` may need. Have an administrator run `grant pg_read_all_stats to auditbox_api, auditbox_exporter`.\n',
    );
}

async function withDatabase(databaseUrl: string, work: (db: Database) => Promise<void>): Promise<void> {
  const db = connectDatabase({
    url: databaseUrl,
    application: 'auditbox migrate',
    maxConnections: 1,
    statementTimeoutMs: 0,
  });
  try {
    await work(db);
  } catch (error) {
    if (error instanceof RolesForbiddenError) exitWith(error.message);
    exitWith(toDatabaseError(error)?.sentence ?? String(error));
  } finally {
    await db.close(1_000);
  }
}

function exitWith(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
