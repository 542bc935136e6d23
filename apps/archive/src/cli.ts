import { lowerBound } from '@auditbox/core/event/event-time.ts';
import { readFrom, readObjectName, readTo, requireOrder } from '@auditbox/process/command-arguments.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exitCodes } from './archive-error.ts';
import type { TimeRange } from './bucket/time-range.ts';
import type { CompactCommand } from './commands/compact.ts';
import type { FindCommand } from './commands/find.ts';
import type { GetCommand } from './commands/get.ts';
import type { HoursCommand } from './commands/hours.ts';
import type { QueryCommand } from './commands/query.ts';
import type { RestoreCommand } from './commands/restore.ts';
import type { ShellCommand } from './commands/shell.ts';
import type { ObjectName } from './find/filter.ts';

/** What `npm run archive` was told to do. */
export type ArchiveCommand =
  | QueryCommand
  | ShellCommand
  | GetCommand
  | FindCommand
  | RestoreCommand
  | CompactCommand
  | HoursCommand
  | { readonly kind: 'erase'; readonly json: boolean };

// The command line's library breaks the lines.
const description = `Reads the archive: the objects in the bucket. Needs the exporter's settings about S3, and the permissions s3:ListBucket and s3:GetObject. No object of events is changed.

Times are dates (2026-07-03) or RFC 3339 with an offset. Both bounds are included. They are event times: the folder of an event is chosen by when it happened, so a narrow range reads few objects.`;

const exits = `
Exit codes: 0 done; 1 it could not be done; 2 no such event, or an hour is open; 3 an object is not what its name or its manifest promises, or
conflicts with the database; 4 refused: the range needs more than the cache, the day is not closed, or nothing is ever erased.
`;

const help = `
The columns of \`events\`: id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value,
updated_values, context, recorded_at, recorded_by, tenant, redacted: each the text as it stands in the object. And
occurred_at (timestamptz, of updated_at), object (the path of the object) and line (its place there, from 0).

  npm run archive -- query "select action, count(*) from events group by 1" --from 2026-07-01 --to 2026-07-31
  npm run archive -- query "select before_value ->> '$.limits.rpm' from events where object_id = '42'" --csv
  npm run archive -- find --actor ana@example.com --object teams/42 --from 2026-07-01
`;

interface Times {
  readonly from?: string;
  readonly to?: string;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseArchiveCommand(argv: readonly string[]): ArchiveCommand {
  let command: ArchiveCommand | null = null;
  const set = (parsed: ArchiveCommand) => {
    command = parsed;
  };
  const cli = new Command(withCommands('npm run archive --'))
    .description(description)
    .addHelpText('after', withCommands(help))
    .addHelpText('afterAll', withCommands(exits));
  addQuery(cli, set);
  addGet(cli, set);
  addFind(cli, set);
  addRestore(cli, set);
  addCompact(cli, set);
  addHours(cli, set);
  cli
    .command('erase')
    .description('says why nothing can be erased, and what to do instead')
    .allowExcessArguments(false)
    .option('--subject <who>', 'whose data')
    .option('--json', 'print the refusal as one JSON object')
    .action(({ json }: { json?: true }) => set({ kind: 'erase', json: json === true }));
  cli.parse([...argv], { from: 'user' });
  return command ?? cli.error('error: name a command', { exitCode: exitCodes.failed });
}

type Set = (command: ArchiveCommand) => void;

interface QueryFlags extends Times {
  readonly json?: true;
  readonly csv?: true;
  readonly parquet: boolean;
}

function addQuery(cli: Command, set: Set): void {
  const add = (name: string, what: string) =>
    withTimes(cli.command(name).description(what))
      .addOption(new Option('--json', 'one JSON object for each row, on a line').conflicts('csv'))
      .option('--csv', 'CSV with a header')
      .option('--no-parquet', 'read the objects themselves, also where compacted files have their events');
  const read = ({ json, csv, parquet, ...times }: QueryFlags) =>
    ({ range: toRange(cli, times), format: json ? 'json' : csv ? 'csv' : 'table', usesParquet: parquet }) as const;
  add('query <sql>', 'runs one statement of SQL (DuckDB) over the view `events`').action(
    (sql: string, flags: QueryFlags) => set({ kind: 'query', sql, ...read(flags) }),
  );
  add('shell', 'fetches the range once, and runs the statements that it reads from standard input').action(
    (flags: QueryFlags) => set({ kind: 'shell', ...read(flags) }),
  );
}

function addGet(cli: Command, set: Set): void {
  withTimes(
    cli
      .command('get <id>')
      .description(
        'prints one event as it stands in its object. With DATABASE_URL it asks the database for the object first',
      ),
  )
    .option('--json', 'the event is JSON with this option and without it')
    .action((id: string, times: Times) => {
      if (!/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) cli.error(`error: ${id} is not a UUID`);
      set({ kind: 'get', id: id.toLowerCase(), range: toRange(cli, times) });
    });
}

interface FindFlags extends Times {
  readonly actor: string[];
  readonly object: ObjectName[];
  readonly table: string[];
  readonly action: string[];
  readonly tenant: string[];
  readonly recordedBy: string[];
  readonly limit: number;
  readonly json?: true;
}

function addFind(cli: Command, set: Set): void {
  const find = withTimes(cli.command('find').description('prints the events that match, the oldest object first'));
  const add = (flags: string, what: string) =>
    find.option(`${flags}`, `${what}; may be given again for another one`, collect, []);
  add('--actor <name>', 'who changed it (changed_by), exactly');
  find.option('--object <table/id>', 'the object, such as teams/42; may be given again', collectObject, []);
  add('--table <name>', 'the kind of object (table_name)');
  add('--action <name>', 'what was done');
  add('--tenant <name>', 'whose event it is');
  add('--recorded-by <writer>', 'who wrote the event');
  find
    .option('--limit <n>', 'stop after as many events', atLeast(1), Number.POSITIVE_INFINITY)
    .option('--json', 'the lines as they stand in the objects')
    .action(({ actor, object, table, action, tenant, recordedBy, limit, json, ...times }: FindFlags) =>
      set({
        kind: 'find',
        filter: {
          range: toRange(cli, times),
          actors: actor,
          objects: object,
          tables: table,
          actions: action,
          tenants: tenant,
          recordedBy,
        },
        limit,
        json: json === true,
      }),
    );
}

function addRestore(cli: Command, set: Set): void {
  withTimes(
    cli
      .command('restore')
      .description(
        'brings the events of the range back into a database, with their ids and times, as exported already',
      ),
  )
    .requiredOption('--into <url>', 'the database; its schema must be migrated, and the login a member of its owner')
    .option('--json', 'print the result as one JSON object')
    .action(({ into, json, ...times }: Times & { into: string; json?: true }) =>
      set({ kind: 'restore', url: into, range: toRange(cli, times), json: json === true }),
    );
}

interface CompactFlags {
  readonly day: string;
  readonly closedAfter: number;
  readonly fileMb: number;
  readonly json?: true;
}

function addCompact(cli: Command, set: Set): void {
  cli
    .command('compact')
    .description('writes the events of a closed day to files of Parquet, below a separate prefix')
    .requiredOption('--day <date>', 'such as 2026-07-03', readDay)
    .option('--closed-after <hours>', 'how long the day must be over; late events are filed under it', atLeast(0), 48)
    .option('--file-mb <n>', 'most MiB of the compressed objects that one file covers', atLeast(1), 64)
    .option('--json', 'print the result as one JSON object')
    .action(({ day, closedAfter, fileMb, json }: CompactFlags) =>
      set({
        kind: 'compact',
        day,
        closedAfterHours: closedAfter,
        maxFileBytes: fileMb * 1024 * 1024,
        json: json === true,
      }),
    );
}

interface HoursFlags {
  readonly from: string;
  readonly to: string;
  readonly by: 'hour' | 'day';
  readonly json?: true;
}

function addHours(cli: Command, set: Set): void {
  cli
    .command('hours')
    .description('says which hours are whole in the archive, for batch jobs; needs DATABASE_URL')
    .allowExcessArguments(false)
    .requiredOption('--from <time>', 'a moment in the first hour', readFrom)
    .requiredOption('--to <time>', 'a moment in the last hour', readTo)
    .addOption(new Option('--by <width>', 'hours or days, in UTC').choices(['hour', 'day']).default('hour'))
    .option('--json', 'one JSON object for each hour, on a line')
    .action(({ from, to, by, json }: HoursFlags) => {
      toRange(cli, { from, to });
      set({ kind: 'hours', from, to, grain: by, json: json === true });
    });
}

function withTimes(command: Command): Command {
  return command
    .allowExcessArguments(false)
    .option('--from <time>', 'first event time', readFrom)
    .option('--to <time>', 'last event time', readTo);
}

function toRange(cli: Command, { from, to }: Times): TimeRange {
  requireOrder(cli, { from, to }, exitCodes.failed);
  return { from: from ?? null, to: to ?? null };
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function collectObject(value: string, before: readonly ObjectName[]): ObjectName[] {
  const { tableName: table, objectId: id } = readObjectName(value);
  return [...before, { table, id }];
}

function atLeast(least: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,6}$/.test(text) || Number(text) < least)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to 999999.`);
    return Number(text);
  };
}

function readDay(text: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || lowerBound(text) === null)
    throw new InvalidArgumentError('Expected a date such as 2026-07-03.');
  return text;
}
