import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import {
  checkpointPath,
  cosignatureFolder,
  keyFolder,
  logFolder,
  sizeOfCheckpoint,
  stampPath,
} from '@auditbox/evidence/log-files.ts';
import type { VerifierKey } from '@auditbox/evidence/signed-note.ts';
import { isTileOf, parseTilePath } from '@auditbox/evidence/tiles.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import { readKeyNotes } from './key-notes.ts';
import type { LogStore } from './log-store.ts';

interface Parts {
  readonly db: Database;
  readonly destination: string;
  readonly store: LogStore;
  readonly keys: readonly VerifierKey[];
  /** How many entries the database has now. Their tiles may be there before a checkpoint names them. */
  readonly readSize: () => Promise<number>;
}

/**
 * Lists the folder of the log, and reports names that no file of this log has. Content is compared elsewhere. Null when the whole folder was
 * listed. Exporters may publish while it is listed, so the database is asked after each page: it has an entry or a checkpoint before
 * the bucket has its files.
 */
export async function findUnknownLogFiles(
  { db, destination, store, keys, readSize }: Parts,
  report: (path: string) => void,
  signal: AbortSignal,
): Promise<DestinationError | null> {
  const notes = await readKeyNotes(store, keys, signal);
  if (notes.kind === 'error') return notes;
  let after = '';
  for (;;) {
    const from = after;
    const page = await tryAgain(() => store.list(logFolder, from, signal), signal);
    if (page.kind === 'error') return page;
    const named = new Map(page.paths.map((path) => [path, sizeIn(path)]));
    const sizes = [...new Set(named.values())].filter((one) => one !== null);
    const known = new Set((await listCheckpoints(db, destination, sizes)).map((checkpoint) => checkpoint.size));
    const size = await readSize();
    for (const [path, at] of named) {
      const tile = parseTilePath(path.slice(logFolder.length));
      const isKnown =
        (at !== null && known.has(at)) ||
        (tile !== null && isTileOf(size, tile)) ||
        (path.startsWith(keyFolder) && !notes.unknown.has(path));
      if (!isKnown) report(path);
    }
    if (page.isLast) return null;
    after = page.paths.at(-1) ?? after;
  }
}

/** The size of the checkpoint that a path belongs to: its note, a cosignature or a stamp. */
function sizeIn(path: string): number | null {
  const [, digits = '', end = ''] = /^_log\/(?:cosignatures|stamps)\/(\d{12})(\/[0-9a-f]{8}|\.tsr)$/.exec(path) ?? [];
  const size = sizeOfCheckpoint(digits === '' ? path : checkpointPath(Number(digits)));
  if (size === null || digits === '') return size;
  return path === stampPath(size) || path === `${cosignatureFolder(size)}${end.slice(1)}` ? size : null;
}
