import { ArchiveError } from './archive/archive.ts';
import type { ArchiveOptions, CellArchive } from './cli.ts';
import { exitCodeOf } from './describe.ts';
import type { Finding } from './finding.ts';
import { readReceipts } from './receipts/read-receipts.ts';
import { createReceiptSearch, type FoundReceipts, type ReceiptSearch } from './receipts/receipt-search.ts';
import { checkArchive, keepFindings } from './run-archive.ts';
import { writeState } from './state.ts';
import type { Verified } from './verify-archive.ts';

/** What was found in the archive of a cell. */
export interface CellOutcome {
  readonly name: string;
  readonly stateFile: string | null;
  readonly exitCode: 0 | 1 | 2 | 3;
  /** A sentence: why the archive could not be read to its end. */
  readonly run: Verified | string;
  readonly findings: readonly Finding[];
}

export interface CellsOutcome {
  readonly exitCode: 0 | 1 | 2 | 3;
  readonly cells: readonly CellOutcome[];
  /** Null without receipts, or when no archive could be read. */
  readonly receipts: FoundReceipts | null;
  /** What is wrong with receipts. */
  readonly findings: readonly Finding[];
}

/** Who is told of what a run finds. `cell` is null for what is wrong with a receipt, because no cell alone can say that. */
export interface CellListeners {
  readonly onFinding: (finding: Finding, cell: string | null) => void;
  readonly onProgress: (text: string, cell: string) => void;
  readonly onChecked: (cell: CellOutcome) => void;
}

/**
 * Checks the archives of several cells, each against its own log, one after the other. Receipts are looked for in all of them. An
 * archive that cannot be read keeps no other from being checked. States move on when nothing is broken.
 */
export async function runCells(
  { cells, ...options }: ArchiveOptions & { readonly cells: readonly CellArchive[] },
  listeners: CellListeners,
): Promise<CellsOutcome> {
  const search = options.receipts && createReceiptSearch(await readReceipts(options.receipts));
  const outcomes: CellOutcome[] = [];
  for (const cell of cells) {
    const outcome = await checkCell(cell, options, listeners, search);
    outcomes.push(outcome);
    listeners.onChecked(outcome);
  }
  const { findings, report } = keepFindings((finding) => listeners.onFinding(finding, null));
  let isBroken = false;
  const receipts =
    search?.conclude((finding) => {
      isBroken ||= finding.kind === 'broken';
      report(finding);
    }) ?? null;
  // What a receipt shows to be missing may be missing in any cell.
  if (!isBroken) for (const outcome of outcomes) await moveOn(outcome);
  return { exitCode: judge(outcomes, findings, isBroken), cells: outcomes, receipts, findings };
}

async function checkCell(
  cell: CellArchive,
  options: ArchiveOptions,
  { onFinding, onProgress }: CellListeners,
  search: ReceiptSearch | null,
): Promise<CellOutcome> {
  const { name, folder, stateFile } = cell;
  let isBroken = false;
  const { findings, report } = keepFindings((finding) => {
    isBroken ||= finding.kind === 'broken';
    onFinding(finding, name);
  });
  try {
    const run = await checkArchive(
      { ...options, ...cell },
      { onFinding: report, onProgress: (text) => onProgress(text, name) },
      search?.open({ name, folder }) ?? null,
    );
    return { name, stateFile, exitCode: exitCodeOf(run, findings), run, findings };
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    // What was found before the archive could not be read stays found.
    return { name, stateFile, exitCode: isBroken ? 3 : 1, run: error.message, findings };
  }
}

async function moveOn({ stateFile, run }: CellOutcome): Promise<void> {
  if (stateFile !== null && typeof run !== 'string' && run.nextState !== null)
    await writeState(stateFile, run.nextState);
}

/** 1 only if no cell could be checked: a cell that could not be checked is a part of them. */
function judge(cells: readonly CellOutcome[], receipts: readonly Finding[], isBroken: boolean): 0 | 1 | 2 | 3 {
  const codes = new Set(cells.map(({ exitCode }) => exitCode));
  if (codes.has(3) || isBroken) return 3;
  if (codes.size === 1 && codes.has(1)) return 1;
  return codes.has(1) || codes.has(2) || receipts.length > 0 ? 2 : 0;
}
