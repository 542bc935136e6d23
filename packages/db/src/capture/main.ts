import { DatabaseUrlError } from '@auditbox/core/database-url-parameters.ts';
import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { connectDatabase, type Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { checkSchemaName, defaultSchema } from '../database/schema-name.ts';
import { findCaptureProblems } from '../doctor/find-capture-problems.ts';
import {
  addCapture,
  type CaptureOptions,
  defaultMaxValue,
  listCaptures,
  removeCapture,
  splitName,
} from './captured-tables.ts';
import { type CaptureCommand, parseCommand } from './cli.ts';

/* `npm run capture`: which tables are captured. */

const command = parseCommand(process.argv.slice(2));
const url = process.env.DATABASE_URL;
if (!url) exitWith('DATABASE_URL is not set. Set it to a URL such as postgres://user:password@host:5432/database.');
let db: Database | null = null;
try {
  db = connectDatabase({
    url,
    application: 'auditbox capture',
    maxConnections: 1,
    schema: checkSchemaName(process.env.DATABASE_SCHEMA || defaultSchema),
    // It waits for the transactions that write to the table.
    statementTimeoutMs: 60_000,
  });
  process.exitCode = await run(db, command);
} catch (error) {
  process.stderr.write(`${withCommands(explain(error))}\n`);
  process.exitCode = 1;
} finally {
  await db?.close(1_000);
}

async function run(database: Database, asked: CaptureCommand): Promise<number> {
  switch (asked.kind) {
    case 'add':
      requireSchema(asked.table);
      await addCapture(database, asked.table, asked.options);
      if (asked.json) print(JSON.stringify({ ok: true, table: asked.table, options: asked.options }));
      else print(`${asked.table} is captured.`);
      return 0;
    case 'remove':
      requireSchema(asked.table);
      await removeCapture(database, asked.table);
      if (asked.json) print(JSON.stringify({ ok: true, table: asked.table }));
      else print(`${asked.table} is not captured any more. What was recorded stays.`);
      return 0;
    case 'list': {
      const tables = await listCaptures(database);
      if (asked.json) print(JSON.stringify(tables));
      else if (tables.length === 0) print('No table is captured.');
      else for (const { table, options } of tables) print(`${table}  ${describe(table, options)}`);
      return 0;
    }
    case 'check': {
      const problems = await findCaptureProblems(database);
      if (asked.json) print(JSON.stringify(problems));
      else if (problems.length === 0) print('All changes of the captured tables are recorded.');
      else for (const { says, remedy } of problems) print(`${says}\n  ${remedy}`);
      return problems.length === 0 ? 0 : 1;
    }
  }
}

function requireSchema(table: string): void {
  if (!table.includes('.')) exitWith(`Name the schema too: public.${table}`);
}

function describe(
  table: string,
  { key, exclude, mask, ignore, max_value, require_actor, on_truncate, name }: CaptureOptions,
): string {
  const lists = Object.entries({ key, exclude, mask, ignore }).filter(([, columns]) => columns.length > 0);
  return [
    ...lists.map(([option, columns]) => `${option} ${columns.join(',')}`),
    ...(max_value === defaultMaxValue ? [] : [`max-value ${max_value}`]),
    ...(require_actor ? ['require-actor'] : []),
    ...(on_truncate === 'record' ? ['on-truncate record'] : []),
    ...(name === splitName(table).join('.') ? [] : [`name ${name}`]),
  ].join('; ');
}

function explain(error: unknown): string {
  if (error instanceof DatabaseUrlError) return `DATABASE_URL is wrong: ${error.message}`;
  if (error instanceof TypeError) return error.message;
  const found = toDatabaseError(error);
  if (found === null) return String(error);
  // What our functions refuse says it in its message; its sentence is about the kind of error.
  const cause = found.cause as { readonly message?: string; readonly hint?: string } | undefined;
  return [cause?.message ?? found.sentence, cause?.hint].filter(Boolean).join('\n');
}

function withCommands(text: string): string {
  return nameCommands(text, process.env.AUDITBOX_COMMAND);
}

function print(line: string): void {
  process.stdout.write(`${withCommands(line)}\n`);
}

function exitWith(sentence: string): never {
  process.stderr.write(`${withCommands(sentence)}\n`);
  process.exit(1);
}
