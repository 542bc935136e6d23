import type { CellAddress } from '@auditbox/core/cells/cell-list.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { countExporterConnections } from '@auditbox/db/observe/count-exporters.ts';
import { hasDiskSpace } from '@auditbox/db/observe/has-disk-space.ts';
import { cellName, cellRelations, cellSettings, nestCells } from '@auditbox/process/cell-settings.ts';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { start } from '@auditbox/process/start.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { checkDatabaseState } from './diagnose/database.ts';
import { bySeverity, exitCodes, type Finding, findFailed } from './diagnose/finding.ts';
import { diskIsFull } from './diagnose/postgres/disk.ts';
import { exporterSettings, longestWaitS } from './settings.ts';
import { parseStatusCommand } from './status/cli.ts';
import { describeReason, describeStatus } from './status/describe-status.ts';
import type { DestinationStatus } from './status/destination-status.ts';
import { readStatus } from './status/read-status.ts';

/* `npm run status`: one screen that says what is behind, what is stuck and what to do. It needs the database alone. */

const { json, maxBehind } = parseStatusCommand(process.argv.slice(2));
const { LOG_LEVEL } = commonSettings;
const { EXPORT_LINGER_MS } = exporterSettings;

start({
  service: 'exporter',
  read() {
    const table = { ...cellSettings, CELL_NAME: cellName, LOG_LEVEL, EXPORT_LINGER_MS };
    const values = readSettings(table, process.env, cellRelations);
    return {
      places: nestCells(values),
      chosen: values.CELL_NAME,
      maxBehindS: maxBehind ?? longestWaitS({ lingerMs: values.EXPORT_LINGER_MS }),
      logLevel: values.LOG_LEVEL,
    };
  },
  logTo: 'stderr',
  exitCodeOfStop: exitCodes.unknown,
  async run({ settings: { places, chosen, maxBehindS } }) {
    const all = places.kind === 'one' ? [{ ...places, name: '' }] : places.cells;
    const cells = places.kind === 'one' || chosen === undefined ? all : all.filter(({ name }) => name === chosen);
    if (cells.length === 0) exitWith(`CELL_NAME is ${chosen}; DATABASE_CELLS has no such cell.`);
    const reports = await Promise.all(cells.map((cell) => reportCell(cell, maxBehindS)));
    const [only] = reports;
    // One database has the form that it had before there were cells.
    const shown =
      only !== undefined && places.kind === 'one'
        ? show(only.report)
        : reports.map(({ name, report }) => showOfCell(name, report)).join(json ? ',' : '\n');
    const text = json && places.kind === 'cells' ? `{"cells":[${shown}]}` : shown;
    process.stdout.write(withCommands(`${text}\n`));
    return exitCodes[worst(reports.map(({ report: { state } }) => state))];
  },
});

type State = Finding['state'];

interface Report {
  readonly state: State;
  /** What `--json` prints, without the state. */
  readonly json: object;
  readonly lines: readonly string[];
}

/** An event that waits for longer than `maxBehindS` is late. */
async function reportCell({ name, url, schema }: Pick<CellAddress, 'name' | 'url' | 'schema'>, maxBehindS: number) {
  const db = connectDatabase({
    ...{ url, schema },
    application: 'auditbox status',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    onlyReads: 'any',
  });
  const found = await report(db, schema, maxBehindS);
  await db.close(1_000);
  return { name, report: found };
}

async function report(db: Database, schema: string, maxBehindS: number): Promise<Report> {
  const { findings } = await checkDatabaseState(db);
  const [problem] = findFailed(findings);
  if (problem !== undefined) return describeProblem(problem);
  try {
    return describeDatabase(
      await readStatus(db, maxBehindS),
      await countExporterConnections(db, schema),
      !(await hasDiskSpace(db)),
    );
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return describeProblem({ what: 'exports', state: 'unknown', says: error.sentence, advice: null });
  }
}

/** Why nothing is known about the destinations. */
function describeProblem({ what, state, says, advice }: Pick<Finding, 'what' | 'state' | 'says' | 'advice'>): Report {
  const todo = advice ?? 'Run `npm run doctor`, which checks everything.';
  return { state, json: { says, todo }, lines: [describeReason(state, what, { says, todo })] };
}

function describeDatabase(
  destinations: readonly DestinationStatus[],
  connections: number,
  isDiskFull: boolean,
): Report {
  const processes =
    connections === 0
      ? 'No exporter is connected to the database. If none runs behind a pooler, start one.'
      : `Exporters are connected to the database (${counted(connections, 'connection')}).`;
  return {
    state: isDiskFull ? 'fail' : worst(destinations.map(({ state }) => state)),
    json: { exporterConnections: connections, isDiskFull, destinations },
    lines: [
      processes,
      ...sortBySeverity(destinations).map(describeStatus),
      ...(isDiskFull ? [describeReason('fail', 'disk', diskIsFull)] : []),
    ],
  };
}

function show(found: Report): string {
  return json ? JSON.stringify(toJson(found)) : found.lines.join('\n');
}

function showOfCell(name: string, found: Report): string {
  return json ? JSON.stringify({ cell: name, ...toJson(found) }) : `Cell ${name}:\n${show(found)}`;
}

function toJson({ state, json: members }: Report): object {
  return { state, ...members };
}

function worst(states: readonly State[]): State {
  return bySeverity.findLast((state) => states.includes(state)) ?? 'pass';
}

/** What needs a person is last on the screen. */
function sortBySeverity(destinations: readonly DestinationStatus[]): readonly DestinationStatus[] {
  return [...destinations].sort((a, b) => bySeverity.indexOf(a.state) - bySeverity.indexOf(b.state));
}
