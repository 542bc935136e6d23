import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type CellAddress, CellListError, parseCells, placeCells } from '@auditbox/core/cells/cell-list.ts';
import { defaultSchema } from '@auditbox/db/database/schema-name.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { untilWritten } from '@auditbox/process/until-written.ts';

/*
 * Commands about one database, for several cells: with DATABASE_CELLS each cell has a separate process of the same command. Its
 * settings are those of the cell's exporter.
 */

type Environment = Readonly<Record<string, string | undefined>>;

export interface CellsCommand {
  /** The program and its arguments. */
  readonly args: readonly string[];
  readonly json: boolean;
  /** For a command that runs until it is stopped: all cells at once. Otherwise one after the other. */
  readonly runsOn: boolean;
}

/**
 * Runs the command for each cell and ends the process, if DATABASE_CELLS is set and CELL_NAME does not choose one of them. The
 * exit code is the worst of all cells. With CELL_NAME and without DATABASE_URL it sets DATABASE_URL and DATABASE_SCHEMA to those of
 * the chosen cell.
 */
export async function runOverCells(command: CellsCommand): Promise<void> {
  const { DATABASE_CELLS: list, CELL_NAME: name, DATABASE_URL: url } = process.env;
  if (!list || (name && url)) return;
  const cells = readCells(list);
  if (name) {
    const chosen = cells.find((cell) => cell.name === name);
    if (chosen === undefined) exitWith(`CELL_NAME is ${name}; DATABASE_CELLS has no such cell.`);
    process.env.DATABASE_URL = chosen.url;
    process.env.DATABASE_SCHEMA = chosen.schema;
    return;
  }
  const ends: CellEnd[] = [];
  if (command.runsOn) ends.push(...(await Promise.all(cells.map((cell) => runCell(cell, command)))));
  else for (const cell of cells) ends.push(await runCell(cell, command));
  if (command.json) process.stdout.write(`{"cells":[${ends.map(toJson).join(',')}]}\n`);
  await untilWritten(process.stdout);
  process.exit(worst(ends.map(({ exitCode }) => exitCode)));
}

function readCells(list: string): readonly CellAddress[] {
  try {
    return placeCells(parseCells(list), process.env.DATABASE_SCHEMA || defaultSchema);
  } catch (error) {
    if (error instanceof CellListError) exitWith(`DATABASE_CELLS: ${error.message}`);
    throw error;
  }
}

/** The settings of a cell's exporter. */
export function cellEnvironment({ name, url, schema }: CellAddress, environment: Environment): Environment {
  const { EXPORT_LOG_ORIGIN: origin } = environment;
  return {
    ...environment,
    DATABASE_CELLS: '',
    DATABASE_CELLS_BEFORE: '',
    DATABASE_URL: url,
    DATABASE_SCHEMA: schema,
    CELL_NAME: name,
    ...(origin && !origin.endsWith(`/${name}`) && { EXPORT_LOG_ORIGIN: `${origin}/${name}` }),
  };
}

interface CellEnd {
  readonly name: string;
  readonly exitCode: number;
  /** With `--json`: what it printed. */
  readonly output: string;
}

async function runCell(cell: CellAddress, { args, json }: CellsCommand): Promise<CellEnd> {
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    env: cellEnvironment(cell, process.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = passSignals(child);
  const code = new Promise<number>((resolve) => child.once('exit', (exitCode) => resolve(exitCode ?? cannotBeDone)));
  const [output] = await Promise.all([
    json ? readAll(child.stdout) : prefixLines(child.stdout, cell.name, process.stdout),
    prefixLines(child.stderr, cell.name, process.stderr),
  ]);
  const exitCode = await code;
  stop();
  return { name: cell.name, exitCode, output: output ?? '' };
}

/** The process of a cell was killed. */
const cannotBeDone = 1;

function passSignals(child: ChildProcess): () => void {
  const names = ['SIGINT', 'SIGTERM'] as const;
  const pass = (name: NodeJS.Signals) => void child.kill(name);
  for (const name of names) process.on(name, pass);
  return () => {
    for (const name of names) process.off(name, pass);
  };
}

/** A log line in JSON stays JSON: it has the member `cell`. */
async function prefixLines(input: NodeJS.ReadableStream, name: string, output: NodeJS.WriteStream): Promise<undefined> {
  for await (const line of createInterface({ input }))
    output.write(line.startsWith('{"') ? `{"cell":${JSON.stringify(name)},${line.slice(1)}\n` : `${name}: ${line}\n`);
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input })) lines.push(line);
  return lines.join('\n');
}

/** Without a result, for example because of wrong settings, the error is on standard error. */
function toJson({ name, exitCode, output }: CellEnd): string {
  const about = `"cell":${JSON.stringify(name)},"exit_code":${exitCode}`;
  return output.startsWith('{"') ? `{${about},${output.slice(1).trim()}` : `{${about}}`;
}

/** What could not be done, or fails, is worse than what is left over. */
function worst(exitCodes: readonly number[]): number {
  return exitCodes.includes(cannotBeDone) ? cannotBeDone : Math.max(0, ...exitCodes);
}
