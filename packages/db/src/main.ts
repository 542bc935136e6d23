import { setTimeout as delay } from 'node:timers/promises';
import { type CellAddress, CellListError, parseCells, placeCells } from '@auditbox/core/cells/cell-list.ts';
import { DatabaseUrlError } from '@auditbox/core/database-url-parameters.ts';
import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { toDatabaseError } from './database/database-error.ts';
import { checkSchemaName, defaultSchema } from './database/schema-name.ts';
import { parseCommand } from './migrate/cli.ts';
import { copyToCell, readCommonRows } from './migrate/copy-to-cell.ts';
import { markCell } from './migrate/mark-cell.ts';
import { migrateDatabase } from './migrate/migrate.ts';
import { MigrationError } from './migrate/migration-error.ts';
import { refuseCopies } from './migrate/refuse-copies.ts';
import { dropSearchIndex, makeSearchIndex } from './migrate/search-index.ts';
import { setUpLogins } from './migrate/set-up-logins.ts';
import { RolesForbiddenError, setUpRoles } from './migrate/set-up-roles.ts';
import { asOwnerOutsideTransactions } from './migrate/turns.ts';

/* `npm run migrate`: brings the schema up to date. Waits for a database that does not answer yet. */

const waitMs = 60_000;

const { searchIndex, roles, logins, json } = parseCommand(process.argv.slice(2));
const schema = readSchemaName();
const cells = readCellList();
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
for (const cell of cells) await migrate(cell);
try {
  for (const cell of cells) await mark(cell);
  for (const cell of cells) await setUp(cell);
  await copyToCells();
  if (json) process.stdout.write(`${JSON.stringify({ ok: true, schema, ...describeCells(), did: [...printed] })}\n`);
} catch (error) {
  exitWith(explain(error));
}

/** Each cell may have its own schema. */
function describeCells(): { readonly cells?: readonly { readonly cell: string; readonly schema: string }[] } {
  const named = cells.filter(({ name }) => name !== '');
  return named.length === 0 ? {} : { cells: named.map((cell) => ({ cell: cell.name, schema: cell.schema })) };
}

/** A line about a cell names it. One database has no name. */
function reportFor(name: string): (line: string) => void {
  return name === '' ? report : (line) => report(`${name}: ${line}`);
}

async function migrate({ name, url, schema }: CellAddress): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await migrateDatabase(url, { schema, report: reportFor(name), onProgress });
    } catch (error) {
      const databaseError = toDatabaseError(error);
      if (databaseError === null || !databaseError.retry || performance.now() > giveUpAt)
        exitWith(`${name === '' ? '' : `The cell ${name}: `}${explain(error)}`);
      if (isFirst) process.stderr.write(`${databaseError.sentence} Waiting up to ${waitMs / 1000} s.\n`);
      await delay(500);
    }
  }
}

/** Before anything is copied from one cell to another. */
async function mark(cell: CellAddress): Promise<void> {
  if (cell.name === '' || (await markCell(cell, cell.schema))) return;
  reportFor(cell.name)(
    `The schema has a comment already, so it does not get the name of the cell. Nobody notices then when DATABASE_CELLS has another name for this database.`,
  );
}

async function setUp(cell: CellAddress): Promise<void> {
  const say = reportFor(cell.name);
  if (searchIndex !== null) await switchSearchIndex(cell, searchIndex, say);
  if (roles) await makeRoles(cell, say);
  if (logins.length > 0) await makeLogins(cell, say);
}

/** All cells have the keys of the first one. */
async function copyToCells(): Promise<void> {
  const [first, ...others] = cells;
  if (first === undefined || others.length === 0) return;
  await refuseCopies(cells);
  const common = await readCommonRows(first.url, first.schema);
  for (const cell of others) {
    const changed = await copyToCell(cell, common, cell.schema);
    reportFor(cell.name)(`The keys are those of the cell ${first.name}; ${changed} were copied.`);
  }
}

type Say = (line: string) => void;

async function switchSearchIndex({ url, schema }: CellAddress, state: 'on' | 'off', say: Say): Promise<void> {
  await asOwnerOutsideTransactions(url, schema, (sql) =>
    state === 'off' ? dropSearchIndex(sql) : makeSearchIndex(sql, (line) => say(`Indexing words: ${line}`)),
  );
  say(`The index of words is ${state}.`);
}

async function makeRoles({ url, schema }: CellAddress, say: Say): Promise<void> {
  const { owner, seesSessions } = await setUpRoles(url, { schema });
  say(
    'The roles auditbox_api, auditbox_exporter, auditbox_retention and auditbox_writer have their rights in this database.',
  );
  if (!seesSessions)
    process.stderr.write(
      `${owner} may not see which transactions run, which \`recorded_after\` may need. Have an administrator run \`grant pg_read_all_stats to ${owner}\`.\n`,
    );
}

async function makeLogins({ url, schema }: CellAddress, say: Say): Promise<void> {
  const withPasswords = logins.flatMap((login) => {
    const password = process.env[`${login.name.toUpperCase()}_PASSWORD`];
    return password ? [{ ...login, password }] : [];
  });
  await setUpLogins(url, withPasswords, { schema });
  for (const { name, role } of withPasswords) say(`The login ${name} is a member of ${role}.`);
}

/** DATABASE_CELLS, or DATABASE_URL as a cell without a name. */
function readCellList(): readonly CellAddress[] {
  const list = process.env.DATABASE_CELLS;
  const url = process.env.DATABASE_URL;
  if (list) {
    try {
      return placeCells(parseCells(list), schema);
    } catch (error) {
      if (error instanceof CellListError) return exitWith(`DATABASE_CELLS: ${error.message}`);
      throw error;
    }
  }
  if (!url) exitWith('DATABASE_URL is not set. Set it to a URL such as postgres://user:password@host:5432/database.');
  return [{ name: '', url, schema, takesEvents: true }];
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
