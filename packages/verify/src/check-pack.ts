import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkEventProof, parseEventProof } from '../../evidence/src/event-proof.ts';
import type { VerifierKey } from '../../evidence/src/signed-note.ts';
import { UsageError } from './usage-error.ts';

/** What is wrong with a file of an evidence pack. */
export interface PackProblem {
  readonly name: string;
  readonly reason: string;
}

export interface CheckedPack {
  readonly events: number;
  readonly broken: readonly PackProblem[];
  /** Files that cannot be read. Nothing is known about their events. */
  readonly unread: readonly PackProblem[];
}

/** Checks that each event of an evidence pack has its own proof, and each proof its event. Throws UsageError. */
export async function checkPack(folder: string, key: VerifierKey): Promise<CheckedPack> {
  const names = await list(join(folder, 'events'));
  if (names.length === 0) throw new UsageError(`${folder} has no events.`);
  const broken: PackProblem[] = [];
  const unread: PackProblem[] = [];
  const seen = new Map<string, string>();
  const proofs = new Set(await list(join(folder, 'proofs')));
  for (const name of names) {
    const proof = name.replace(/(\.json)?$/, '.tlog-proof');
    proofs.delete(proof);
    const files = await readBoth(join(folder, 'events', name), join(folder, 'proofs', proof));
    if ('reason' in files) {
      unread.push({ name, reason: files.reason });
      continue;
    }
    const line = files.event;
    const text = files.proof?.toString() ?? '';
    const id = createHash('sha256')
      .update(line ?? '')
      .digest('hex');
    const before = seen.get(id);
    seen.set(id, name);
    const reason = before === undefined ? findProblem(name, line, text, key) : `It is the same event as ${before}.`;
    if (reason !== null) broken.push({ name, reason });
  }
  for (const name of proofs) broken.push({ name, reason: 'It is a proof without its event.' });
  return { events: names.length, broken, unread };
}

/** A file that is missing, or is a folder, is null. */
async function readBoth(event: string, proof: string) {
  try {
    return { event: await readOrNull(event), proof: await readOrNull(proof) };
  } catch (error) {
    return { reason: `It cannot be read: ${(error as Error).message}.` };
  }
}

async function readOrNull(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if (missingCodes.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

const missingCodes = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);

function findProblem(name: string, line: Buffer | null, text: string, key: VerifierKey): string | null {
  if (line === null || !name.endsWith('.json')) return 'It is not an event in JSON.';
  const proof = parseEventProof(text);
  if (proof === null) return 'It has no proof.';
  const verdict = checkEventProof(line, proof, key);
  return verdict.kind === 'holds' ? null : verdict.reason;
}

/** Without the files that a desktop puts into folders: their names begin with a full stop. */
async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new UsageError(`${folder} cannot be read: ${(error as Error).message}.`);
  }
}
