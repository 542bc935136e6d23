import { setTimeout as delay } from 'node:timers/promises';
import { connectDatabase, type Database } from './database/connect.ts';
import { toDatabaseError } from './database/database-error.ts';
import { parseCommand } from './migrate/cli.ts';
import { migrateDatabase } from './migrate/migrate.ts';
import { RolesForbiddenError, setUpRoles } from './migrate/roles/set-up-roles.ts';
import { dropSearchIndex, makeSearchIndex } from './migrate/search-index.ts';

/* `npm run migrate`: brings the schema up to date, waiting for a database that is not there yet. */

const waitMs = 60_000;

const { searchIndex, roles } = parseCommand(process.argv.slice(2));
const url = process.env.DATABASE_URL;
if (!url) leave('DATABASE_URL is not set; it takes a URL such as postgres://user:password@host:5432/database.');
const giveUpAt = performance.now() + waitMs;
for (let told = false; ; told = true) {
  try {
    await migrateDatabase(url);
    break;
  } catch (error) {
    const fault = toDatabaseError(error);
    if (fault === null) leave(String(error));
    if (!fault.retry || performance.now() > giveUpAt) leave(fault.sentence);
    if (!told) process.stderr.write(`${fault.sentence} Waiting up to ${waitMs / 1000} s for it.\n`);
    await delay(500);
  }
}
process.stdout.write('The schema is up to date.\n');
if (searchIndex !== null) await inDatabase(url, (db) => switchSearchIndex(db, searchIndex));
if (roles) await inDatabase(url, makeRoles);

async function switchSearchIndex(db: Database, state: 'on' | 'off'): Promise<void> {
  if (state === 'off') await dropSearchIndex(db);
  else await makeSearchIndex(db, (line) => process.stdout.write(`Indexing words: ${line}\n`));
  process.stdout.write(`The index of words is ${state}.\n`);
}

async function makeRoles(db: Database): Promise<void> {
  const { seeSessions } = await setUpRoles(db);
  process.stdout.write('The roles auditbox_api, auditbox_exporter and auditbox_retention have their rights here.\n');
  if (!seeSessions)
    process.stderr.write(
      'They may not see which transactions run, which `recorded_after` may need: have `grant pg_read_all_stats to auditbox_api, auditbox_exporter` run by who may.\n',
    );
}

async function inDatabase(databaseUrl: string, work: (db: Database) => Promise<void>): Promise<void> {
  const db = connectDatabase({
    url: databaseUrl,
    application: 'auditbox migrate',
    maxConnections: 1,
    statementTimeoutMs: 0,
  });
  try {
    await work(db);
  } catch (error) {
    if (error instanceof RolesForbiddenError) leave(error.message);
    const fault = toDatabaseError(error);
    leave(fault ? fault.sentence : String(error));
  } finally {
    await db.close(1_000);
  }
}

function leave(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
