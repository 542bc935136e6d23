import { hash } from 'node:crypto';
import { type Checkpoint, formatCheckpoint } from '../../../evidence/src/checkpoint.ts';
import { cosignatureFolder, cosignaturePath, stampFolder, stampPath } from '../../../evidence/src/log-files.ts';
import { parseNote, verifyNote } from '../../../evidence/src/signed-note.ts';
import { parseTimestampAnswer } from '../../../evidence/src/timestamp.ts';
import type { Witness, WitnessPolicy } from '../../../evidence/src/witness-policy.ts';
import type { Archive } from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';
import type { VerifyState } from '../state.ts';
import { readOrReport, type WalkedLog } from './walk-log.ts';

/** What others said about the log. */
export interface Attested {
  /** The newest size that enough witnesses cosigned; null without a policy, or without such a size. */
  readonly cosigned: { readonly size: number; readonly by: readonly string[] } | null;
  /** The newest stamp. The authority's signature is not checked here. */
  readonly stamp: { readonly size: number; readonly time: string } | null;
}

interface Parts {
  readonly archive: Archive;
  readonly log: WalkedLog;
  readonly policy: WitnessPolicy | null;
  readonly state: VerifyState | null;
  readonly report: (finding: Finding) => void;
}

/** Compares what witnesses and authorities said with the checkpoints. */
export async function checkAttestations(parts: Parts): Promise<Attested> {
  return { cosigned: await checkCosignatures(parts), stamp: await checkStamps(parts) };
}

async function checkCosignatures({ archive, log, policy, report }: Parts): Promise<Attested['cosigned']> {
  if (policy === null) return null;
  const there = new Set<string>();
  for await (const { path } of archive.list(cosignatureFolder(null))) there.add(path);
  const known = new Set(log.checkpoints.map(({ size }) => cosignatureFolder(size)));
  for (const path of there) {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    if (!known.has(folder)) report(broken('checkpoint-missing', path, 'A checkpoint that was cosigned is not there.'));
  }
  let isRefused = false;
  for (const checkpoint of log.checkpoints.toReversed()) {
    const by: Witness[] = [];
    for (const witness of policy.witnesses) {
      const path = cosignaturePath(checkpoint.size, witness.key.id);
      if (!there.has(path)) continue;
      const line = await readOrReport({ archive, report }, path);
      if (line === undefined) isRefused = true;
      else if (isCosigned(checkpoint, witness, line?.toString() ?? '')) by.push(witness);
      else report(broken('cosignature', path, `${witness.name} did not sign this checkpoint.`));
    }
    if (!policy.isMet(by)) continue;
    const { size } = checkpoint;
    if (size < log.checkpoint.size)
      report(
        partly(
          'quorum',
          log.checkpoint.size,
          `The newest checkpoint that enough witnesses cosigned has ${size} batches.`,
        ),
      );
    return { size, by: by.map(({ name }) => name) };
  }
  const says = 'No checkpoint was cosigned by as many witnesses as the policy asks for.';
  report(
    isRefused
      ? partly('quorum', log.checkpoint.size, `${says} Some cosignatures cannot be read.`)
      : broken('quorum', log.checkpoint.size, says),
  );
  return null;
}

function isCosigned(checkpoint: Checkpoint, { key }: Witness, line: string): boolean {
  const note = parseNote(`${formatCheckpoint(checkpoint)}\n${line}`);
  return note !== null && verifyNote(note, [key]).kind === 'signed';
}

/** Stamps that an earlier run saw are not read again, but for the newest. */
async function checkStamps({ archive, log, state, report }: Parts): Promise<Attested['stamp']> {
  const there = new Set<string>();
  for await (const { path } of archive.list(stampFolder)) there.add(path);
  let newest: Attested['stamp'] = null;
  for (const checkpoint of log.checkpoints.toReversed()) {
    const path = stampPath(checkpoint.size);
    if (!there.delete(path) || (newest !== null && checkpoint.size <= (state?.size ?? 0))) continue;
    const answer = await readOrReport({ archive, report }, path);
    if (answer === undefined) continue;
    const stamp = parseTimestampAnswer(answer ?? Buffer.alloc(0));
    const isOurs =
      stamp.kind === 'stamped' && stamp.imprint.equals(hash('sha256', formatCheckpoint(checkpoint), 'buffer'));
    if (!isOurs) report(broken('stamp', path, 'It is not a time stamp of this checkpoint.'));
    else newest ??= { size: checkpoint.size, time: stamp.time };
  }
  for (const path of there) report(broken('checkpoint-missing', path, 'A checkpoint that was stamped is not there.'));
  return newest;
}
