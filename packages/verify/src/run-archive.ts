import type { Command } from './cli.ts';
import { exitCodeOf } from './describe.ts';
import type { Finding } from './finding.ts';
import { readReceipts } from './receipts/read-receipts.ts';
import { readState, writeState } from './state.ts';
import { UsageError } from './usage-error.ts';
import { type Verified, verifyArchive } from './verify-archive.ts';

/** Findings that are kept. Their number is always whole. */
export const mostKept = 10_000;

interface Outcome {
  readonly exitCode: 0 | 1 | 2 | 3;
  readonly run: Verified;
  readonly findings: readonly Finding[];
}

type Given = Extract<Command, { kind: 'archive' }>;
type ArchiveCommand = Omit<Given, 'kind' | 'json' | 'policy' | 'receipts'> &
  Partial<Pick<Given, 'policy' | 'receipts'>>;

/** Checks an archive from where the state file says, and moves the state on when nothing is broken. */
export async function runArchive(
  { source, key, policy = null, receipts = null, level, stateFile, full, sample }: ArchiveCommand,
  { onFinding, onProgress }: { onFinding: (finding: Finding) => void; onProgress: (text: string) => void },
): Promise<Outcome> {
  const state = stateFile === null ? null : await readState(stateFile);
  if (state !== null && state.origin !== key.name)
    throw new UsageError(`${stateFile} is of the log ${state.origin}, and --key is of ${key.name}.`);
  const findings: Finding[] = [];
  const run = await verifyArchive({
    ...{ source, key, policy, level, sample, onProgress },
    receipts: receipts && (await readReceipts(receipts)),
    state: state && full ? { ...state, contentSize: 0 } : state,
    report(finding) {
      if (findings.length < mostKept) findings.push(finding);
      onFinding(finding);
    },
  });
  const exitCode = exitCodeOf(run, findings);
  if (stateFile !== null && run.nextState !== null) await writeState(stateFile, run.nextState);
  return { exitCode, run, findings };
}
