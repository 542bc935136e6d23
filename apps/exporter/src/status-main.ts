import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { countExporterConnections } from '@auditbox/db/observe/count-exporters.ts';
import { hasDiskSpace } from '@auditbox/db/observe/has-disk-space.ts';
import { cellName, cellRelations, cellSettings, nestCells } from '@auditbox/process/cell-settings.ts';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { start } from '@auditbox/process/start.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { exitCodes } from './diagnose/finding.ts';
import { diskIsFull } from './diagnose/postgres/disk.ts';
import { parseStatusCommand } from './status/cli.ts';
import { describeReason, describeStatus } from './status/describe-status.ts';
import type { DestinationStatus } from './status/destination-status.ts';
import { readStatus } from './status/read-status.ts';

/* `npm run status`: one screen that says what is behind, what is stuck and what to do. It needs the database alone. */

const { json, maxBehind } = parseStatusCommand(process.argv.slice(2));
const { DATABASE_SCHEMA, LOG_LEVEL } = commonSettings;

start({
  service: 'exporter',
  read() {
    const table = { ...cellSettings, CELL_NAME: cellName, DATABASE_SCHEMA, LOG_LEVEL };
    const values = readSettings(table, process.env, cellRelations);
    return {
      places: nestCells(values),
      chosen: values.CELL_NAME,
      schema: values.DATABASE_SCHEMA,
      logLevel: values.LOG_LEVEL,
    };
  },
  logTo: 'stderr',
  exitCodeOfStop: exitCodes.unknown,
  async run({ settings: { places, chosen, schema } }) {
    const all = places.kind === 'one' ? [{ name: '', url: places.url }] : places.cells;
    const cells = places.kind === 'one' || chosen === undefined ? all : all.filter(({ name }) => name === chosen);
    if (cells.length === 0) exitWith(`CELL_NAME is ${chosen}; DATABASE_CELLS has no such cell.`);
    const reports = await Promise.all(cells.map((cell) => reportCell(cell, schema)));
    const [only] = reports;
    // One database has the form that it had before there were cells.
    const shown =
      only !== undefined && places.kind === 'one'
        ? show(only.report)
        : reports.map(({ name, report }) => showOfCell(name, report)).join(json ? ',' : '\n');
    const text = json && places.kind === 'cells' ? `{"cells":[${shown}]}` : shown;
    process.stdout.write(withCommands(`${text}\n`));
    return Math.max(...reports.map(({ report }) => report.exitCode));
  },
});

type Report =
  | { readonly kind: 'known'; readonly exitCode: number; readonly json: object; readonly lines: readonly string[] }
  | { readonly kind: 'unknown'; readonly exitCode: number; readonly says: string };

async function reportCell({ name, url }: { readonly name: string; readonly url: string }, schema: string) {
  const db = connectDatabase({
    ...{ url, schema },
    application: 'auditbox status',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    onlyReads: 'any',
  });
  const found = await report(db);
  await db.close(1_000);
  return { name, report: found };
}

async function report(db: Database): Promise<Report> {
  try {
    await checkDatabase(db);
    const destinations = await readStatus(db, maxBehind);
    const connections = await countExporterConnections(db);
    const isFull = !(await hasDiskSpace(db));
    const state = isFull ? 'fail' : worst(destinations);
    const processes =
      connections === 0
        ? 'No exporter is connected to the database. If none runs behind a pooler, start one.'
        : `Exporters are connected to the database (${connections} connections).`;
    return {
      kind: 'known',
      exitCode: exitCodes[state],
      json: { state, exporterConnections: connections, isDiskFull: isFull, destinations },
      lines: [
        processes,
        ...sortBySeverity(destinations).map(describeStatus),
        ...(isFull ? [describeReason('fail', 'disk', diskIsFull)] : []),
      ],
    };
  } catch (error) {
    return { kind: 'unknown', exitCode: exitCodes.unknown, says: explainUnready(error) };
  }
}

function show(found: Report): string {
  if (json) return JSON.stringify(toJson(found));
  return found.kind === 'known' ? found.lines.join('\n') : `unknown  ${found.says}`;
}

function showOfCell(name: string, found: Report): string {
  return json ? JSON.stringify({ cell: name, ...toJson(found) }) : `Cell ${name}:\n${show(found)}`;
}

function toJson(found: Report): object {
  return found.kind === 'known' ? found.json : { state: 'unknown', says: found.says };
}

const order = ['pass', 'warn', 'fail'] as const;

function worst(destinations: readonly DestinationStatus[]): DestinationStatus['state'] {
  return order.findLast((state) => destinations.some((one) => one.state === state)) ?? 'pass';
}

/** What needs a person is last on the screen. */
function sortBySeverity(destinations: readonly DestinationStatus[]): readonly DestinationStatus[] {
  return [...destinations].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}
