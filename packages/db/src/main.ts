import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUrlError } from '@auditbox/core/database-url-parameters.ts';
import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { toDatabaseError } from './database/database-error.ts';
import { checkSchemaName, defaultSchema } from './database/schema-name.ts';
import { parseCommand } from './migrate/cli.ts';
import { migrateDatabase } from './migrate/migrate.ts';
import { MigrationError } from './migrate/migration-error.ts';
import { dropSearchIndex, makeSearchIndex } from './migrate/search-index.ts';
import { setUpLogins } from './migrate/set-up-logins.ts';
import { RolesForbiddenError, setUpRoles } from './migrate/set-up-roles.ts';
import { asOwnerOutsideTransactions } from './migrate/turns.ts';

/* `npm run migrate`: brings the schema up to date. Waits for a database that does not answer yet. */

const waitMs = 60_000;

const { searchIndex, roles, logins, json } = parseCommand(process.argv.slice(2));
const url = process.env.DATABASE_URL;
if (!url) exitWith('DATABASE_URL is not set. Set it to a URL such as postgres://user:password@host:5432/database.');
const schema = readSchemaName();
let giveUpAt = performance.now() + waitMs;
const printed = new Set<string>();
// A second try repeats what it will do.
const report = (line: string) => {
  if (!printed.has(line) && !json) process.stdout.write(`${line}\n`);
  printed.add(line);
};
const onProgress = () => {
  giveUpAt = performance.now() + waitMs;
};
for (let isFirst = true; ; isFirst = false) {
  try {
    await migrateDatabase(url, { schema, report, onProgress });
    break;
  } catch (error) {
    const databaseError = toDatabaseError(error);
    if (databaseError === null || !databaseError.retry || performance.now() > giveUpAt) exitWith(explain(error));
    if (isFirst) process.stderr.write(`${databaseError.sentence} Waiting up to ${waitMs / 1000} s.\n`);
    await delay(500);
  }
}
try {
  if (searchIndex !== null) await switchSearchIndex(url, searchIndex);
  if (roles) await makeRoles(url);
  if (logins.length > 0) await makeLogins(url);
  if (json) process.stdout.write(`${JSON.stringify({ ok: true, schema, did: [...printed] })}\n`);
} catch (error) {
  exitWith(explain(error));
}

async function switchSearchIndex(databaseUrl: string, state: 'on' | 'off'): Promise<void> {
  await asOwnerOutsideTransactions(databaseUrl, schema, (sql) =>
    state === 'off' ? dropSearchIndex(sql) : makeSearchIndex(sql, (line) => report(`Indexing words: ${line}`)),
  );
  report(`The index of words is ${state}.`);
}

async function makeRoles(databaseUrl: string): Promise<void> {
  const { owner, seesSessions } = await setUpRoles(databaseUrl, { schema });
  report(
    'The roles auditbox_api, auditbox_exporter, auditbox_retention and auditbox_writer have their rights in this database.',
  );
  if (!seesSessions)
    process.stderr.write(
      `${owner} may not see which transactions run, which \`recorded_after\` may need. Have an administrator run \`grant pg_read_all_stats to ${owner}\`.\n`,
    );
}

async function makeLogins(databaseUrl: string): Promise<void> {
  const withPasswords = logins.flatMap((login) => {
    const password = process.env[`${login.name.toUpperCase()}_PASSWORD`];
    return password ? [{ ...login, password }] : [];
  });
  await setUpLogins(databaseUrl, withPasswords, { schema });
  for (const { name, role } of withPasswords) report(`The login ${name} is a member of ${role}.`);
}

function readSchemaName(): string {
  try {
    return checkSchemaName(process.env.DATABASE_SCHEMA || defaultSchema);
  } catch (error) {
    return exitWith(explain(error));
  }
}

function explain(error: unknown): string {
  const isOurs = error instanceof MigrationError || error instanceof RolesForbiddenError || error instanceof TypeError;
  if (error instanceof DatabaseUrlError) return `DATABASE_URL is wrong: ${error.message}`;
  return isOurs ? error.message : (toDatabaseError(error)?.sentence ?? String(error));
}

function exitWith(sentence: string): never {
  process.stderr.write(`${nameCommands(sentence, process.env.AUDITBOX_COMMAND)}\n`);
  process.exit(1);
}
