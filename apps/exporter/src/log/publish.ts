import type { Database } from '@auditbox/db/database/connect.ts';
import { fixRoot, markPublished, storeNote } from '@auditbox/db/log/checkpoints.ts';
import { readLogEntries, readLogNodes } from '@auditbox/db/log/log-entries.ts';
import type { LogHead } from '@auditbox/db/log/open-log.ts';
import { formatCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { checkpointPath, logFolder } from '@auditbox/evidence/log-files.ts';
import { type NoteSigner, signNote } from '@auditbox/evidence/signed-note.ts';
import { encodeBundle, listNewTiles, listTileNodes, type Tile, tilePath, tileWidth } from '@auditbox/evidence/tiles.ts';
import { listEdge, rootOf } from '@auditbox/evidence/tree-nodes.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { chooseSigners } from './choose-signers.ts';
import type { LogStore } from './log-store.ts';

export interface PublishParts {
  readonly db: Database;
  readonly destinationName: string;
  readonly store: LogStore;
  readonly signer: NoteSigner;
  /** The key before, until its change is published. */
  readonly previousSigner: NoteSigner | null;
}

/** `different`: a file of the log holds other bytes than the database. Nobody but us may write there. */
export type PublishOutcome =
  | { readonly kind: 'published'; readonly size: number }
  | { readonly kind: 'different'; readonly path: string }
  | { readonly kind: 'wrong key'; readonly reason: string }
  | DestinationError;

/**
 * Publishes the log up to its size: tiles, then the signed checkpoint.
 *
 * Where it can die:
 * - among the tiles: the next exporter creates the same bytes and finds those that are there;
 * - after the root was stored, or the note: the next exporter signs that root and finds that note;
 * - after the checkpoint was created: the next exporter finds it and marks it.
 * Two exporters may do all of it at once.
 */
export async function publishLog(parts: PublishParts, head: LogHead, signal: AbortSignal): Promise<PublishOutcome> {
  const { db, destinationName: destination, store } = parts;
  const { size, publishedSize, origin, now } = head;
  const chosen = await chooseSigners(parts, head, signal);
  if (chosen.kind !== 'signers') return chosen;
  for (const tile of listNewTiles(publishedSize, size)) {
    const path = `${logFolder}${tilePath(tile)}`;
    const made = await store.create(path, await renderTile(db, destination, tile), now, signal);
    if (made.kind === 'error') return made;
    if (made.kind === 'different') return { kind: 'different', path };
    crashPoint('log after a tile');
  }
  const edge = await readLogNodes(db, destination, listEdge(size));
  const nodes = edge.map((hash) => Buffer.from(hash, 'hex'));
  const root = rootOf(size, () => nodes.shift() as Buffer).toString('hex');
  const fixed = await fixRoot(db, destination, { size, root });
  crashPoint('log after the root');
  const text = formatCheckpoint({ origin, size, root: Buffer.from(fixed.root, 'hex') });
  const note = fixed.note ?? (await storeNote(db, destination, { size, note: await signNote(text, chosen.signers) }));
  crashPoint('log after the note');
  const path = checkpointPath(size);
  const made = await store.create(path, Buffer.from(note), now, signal);
  if (made.kind === 'error') return made;
  if (made.kind === 'different') return { kind: 'different', path };
  crashPoint('log after the checkpoint');
  await markPublished(db, destination, size);
  return { kind: 'published', size };
}

/** The bytes of a tile, from the database. */
export async function renderTile(db: Database, destination: string, tile: Tile): Promise<Buffer> {
  const { level, index, width } = tile;
  if (level === 'entries') {
    const entries = await readLogEntries(db, destination, { from: index * tileWidth, count: width });
    return encodeBundle(entries.map((entry) => Buffer.from(entry)));
  }
  const hashes = await readLogNodes(db, destination, listTileNodes({ ...tile, level }));
  return Buffer.concat(hashes.map((hash) => Buffer.from(hash, 'hex')));
}
