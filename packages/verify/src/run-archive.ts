import type { ArchiveOptions, OneArchive } from './cli.ts';
import { exitCodeOf } from './describe.ts';
import type { Finding } from './finding.ts';
import { readReceipts } from './receipts/read-receipts.ts';
import { type ArchiveSearch, createReceiptSearch, type FoundReceipts } from './receipts/receipt-search.ts';
import { readState, writeState } from './state.ts';
import { UsageError } from './usage-error.ts';
import { type Verified, verifyArchive } from './verify-archive.ts';

/** Findings that are kept. Their number is always whole. */
export const mostKept = 10_000;

interface Outcome {
  readonly exitCode: 0 | 1 | 2 | 3;
  /** `receipts` is null without receipts. */
  readonly run: Verified & { readonly receipts: FoundReceipts | null };
  readonly findings: readonly Finding[];
}

/** Who is told of what a run finds, and how far it is. */
export interface Listeners {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress: (text: string) => void;
}

type ArchiveCommand = Omit<OneArchive, 'policy'> &
  Partial<Pick<OneArchive, 'policy'>> &
  Omit<ArchiveOptions, 'receipts'> &
  Partial<Pick<ArchiveOptions, 'receipts'>>;

/** Checks an archive from where the state file says, and moves the state on when nothing is broken. */
export async function runArchive(command: ArchiveCommand, listeners: Listeners): Promise<Outcome> {
  const { receipts: request = null, stateFile } = command;
  const search = request && createReceiptSearch(await readReceipts(request));
  const { findings, report } = keepFindings(listeners.onFinding);
  const run = await checkArchive(
    command,
    { onFinding: report, onProgress: listeners.onProgress },
    search?.open({ name: command.key.name, folder: '' }) ?? null,
  );
  const counts = { broken: run.broken, partly: run.partly };
  const receipts =
    search?.conclude((finding) => {
      counts[finding.kind] += 1;
      report(finding);
    }) ?? null;
  const nextState = counts.broken > 0 ? null : run.nextState;
  const whole = { ...run, receipts, ...counts, nextState };
  if (stateFile !== null && nextState !== null) await writeState(stateFile, nextState);
  return { exitCode: exitCodeOf(whole, findings), run: whole, findings };
}

/** Checks an archive from where the state file says. The caller moves the state on. */
export async function checkArchive(
  { source, without = [], key, policy = null, level, stateFile, full, sample }: ArchiveCommand,
  { onFinding, onProgress }: Listeners,
  receipts: ArchiveSearch | null,
): Promise<Verified> {
  const state = stateFile === null ? null : await readState(stateFile);
  if (state !== null && state.origin !== key.name)
    throw new UsageError(`${stateFile} is of the log ${state.origin}, and its key is of ${key.name}.`);
  return verifyArchive({
    ...{ source, without, key, policy, level, sample, receipts, onProgress },
    state: state && full ? { ...state, contentSize: 0 } : state,
    report: onFinding,
  });
}

/** Passes findings on and keeps the first of them. */
export function keepFindings(onFinding: (finding: Finding) => void) {
  const findings: Finding[] = [];
  return {
    findings: findings as readonly Finding[],
    report(finding: Finding): void {
      if (findings.length < mostKept) findings.push(finding);
      onFinding(finding);
    },
  };
}
