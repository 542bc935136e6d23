import { hash } from 'node:crypto';
import { type Checkpoint, formatCheckpoint } from '../../../evidence/src/checkpoint.ts';
import { counted } from '../../../evidence/src/counted.ts';
import {
  checkpointFolder,
  cosignatureFolder,
  cosignaturePath,
  stampFolder,
  stampPath,
} from '../../../evidence/src/log-files.ts';
import { parseNote, verifyNote } from '../../../evidence/src/signed-note.ts';
import { parseTimestampAnswer } from '../../../evidence/src/timestamp.ts';
import type { Witness, WitnessPolicy } from '../../../evidence/src/witness-policy.ts';
import { type Archive, liesIn } from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';
import type { VerifyState } from '../state.ts';
import { listOrReport, readListed } from './read-file.ts';
import type { WalkedLog } from './walk-log.ts';

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
  const { paths: there, unread } = await listOrReport({ archive, report }, cosignatureFolder(null));
  const known = new Set(log.checkpoints.map(({ size }) => cosignatureFolder(size)));
  for (const path of there) {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    if (!known.has(folder) && !isUnread(log, path))
      report(broken('checkpoint-missing', path, 'A checkpoint that was cosigned is not there.'));
  }
  let isRefused = unread.length > 0;
  for (const checkpoint of log.checkpoints.toReversed()) {
    const by: Witness[] = [];
    for (const witness of policy.witnesses) {
      const path = cosignaturePath(checkpoint.size, witness.key.id);
      if (!there.has(path)) continue;
      const line = await readListed({ archive, report }, path);
      if (line === undefined) isRefused = true;
      else if (isCosigned(checkpoint, witness, line.toString())) by.push(witness);
      else report(broken('cosignature', path, `${witness.name} did not sign this checkpoint.`));
    }
    if (!policy.isMet(by)) continue;
    const { size } = checkpoint;
    if (size < log.checkpoint.size)
      report(
        partly(
          'quorum',
          log.checkpoint.size,
          `The newest checkpoint that enough witnesses cosigned has ${counted(size, 'batch', 'batches')}.`,
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
  const { paths: there } = await listOrReport({ archive, report }, stampFolder);
  let newest: Attested['stamp'] = null;
  for (const checkpoint of log.checkpoints.toReversed()) {
    const path = stampPath(checkpoint.size);
    if (!there.delete(path) || (newest !== null && checkpoint.size <= (state?.size ?? 0))) continue;
    const answer = await readListed({ archive, report }, path);
    if (answer === undefined) continue;
    const stamp = parseTimestampAnswer(answer);
    const isOurs =
      stamp.kind === 'stamped' && stamp.imprint.equals(hash('sha256', formatCheckpoint(checkpoint), 'buffer'));
    if (!isOurs) report(broken('stamp', path, 'It is not a time stamp of this checkpoint.'));
    else newest ??= { size: checkpoint.size, time: stamp.time };
  }
  for (const path of there)
    if (!isUnread(log, path)) report(broken('checkpoint-missing', path, 'A checkpoint that was stamped is not there.'));
  return newest;
}

/** Whether the checkpoint that a cosignature or a stamp names may be there, and cannot be read. That was reported. */
function isUnread({ unread }: WalkedLog, path: string): boolean {
  const digits = /\/(\d{12})(?:\/[^/]+|\.tsr)$/.exec(path)?.[1];
  return digits !== undefined && unread.some((one) => liesIn(one, `${checkpointFolder}${digits}`));
}
