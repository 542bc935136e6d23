import { printable } from '../../evidence/src/printable.ts';
import type { Command } from './cli.ts';
import { describeFinding, describeReceipts, describeRun, describeVerdict, toJson } from './describe.ts';
import { type CellOutcome, type CellsOutcome, runCells } from './run-cells.ts';
import type { showProgress } from './show-progress.ts';

/** Checks the archives of several cells and prints what was found. Each line of a cell begins with its name. Resolves to the exit code. */
export async function checkCells(
  { json, ...command }: Extract<Command, { kind: 'cells' }>,
  progress: ReturnType<typeof showProgress>,
): Promise<number> {
  const print = (text: string, cell: string | null) => {
    if (!json) process.stdout.write(cell === null ? text : text.replaceAll(/^(?=.)/gm, `${cell}: `));
  };
  const outcome = await runCells(command, {
    onFinding: (finding, cell) => print(describeFinding(finding), cell),
    onProgress: (text, cell) => progress.set(`${cell}: ${text}`),
    onChecked({ name, run, exitCode }) {
      if (typeof run !== 'string') print(describeRun(run, exitCode, null), name);
      else process.stderr.write(`${name}: ${printable(run)}\n`);
    },
  }).finally(progress.end);
  if (json) process.stdout.write(`${JSON.stringify(cellsToJson(outcome))}\n`);
  else print(conclude(outcome), null);
  return outcome.exitCode;
}

function conclude({ exitCode, cells, receipts }: CellsOutcome): string {
  const unchecked = cells.filter((cell) => cell.exitCode === 1).map(({ name }) => name);
  const lines = [
    describeReceipts(receipts),
    unchecked.length === 0 ? '' : `Not checked: ${unchecked.join(', ')}.`,
    describeVerdict(exitCode),
  ];
  return lines.map((line) => (line === '' ? '' : `${line}\n`)).join('');
}

function cellsToJson({ exitCode, cells, receipts, findings }: CellsOutcome) {
  return { exitCode, receipts, findings, cells: cells.map(cellToJson) };
}

function cellToJson({ name, exitCode, run, findings }: CellOutcome) {
  return { cell: name, exitCode, ...(typeof run === 'string' ? { unread: run } : toJson(run)), findings };
}
