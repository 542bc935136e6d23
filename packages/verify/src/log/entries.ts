import { hash } from 'node:crypto';
import { type BatchEntry, parseBatchEntry } from '../../../evidence/src/batch-entry.ts';
import { logFolder } from '../../../evidence/src/log-files.ts';
import { decodeBundle, eachBundle, tilePath, tileWidth } from '../../../evidence/src/tiles.ts';
import { type Archive, ArchiveError } from '../archive/archive.ts';
import type { WalkedLog } from './walk-log.ts';

/**
 * The entries of a log at these places, read bundle after bundle, so that memory does not grow with the log. The walk has compared them
 * with the tree. A store could hand out other entries now, so the bytes of each bundle must be those that the walk saw.
 */
export async function* readEntries(
  archive: Archive,
  { checkpoint, bundles }: Pick<WalkedLog, 'checkpoint' | 'bundles'>,
  isWanted: (index: number) => boolean,
): AsyncIterable<BatchEntry> {
  for (const tile of eachBundle(checkpoint.size)) {
    const { index, width } = tile;
    const seen = bundles.get(index);
    const places = Array.from({ length: width }, (_, n) => index * tileWidth + n).filter(isWanted);
    if (seen === undefined || places.length === 0) continue;
    const path = `${logFolder}${tilePath(tile)}`;
    const bundle = await archive.read(path);
    if (bundle === null || hash('sha256', bundle) !== seen)
      throw new ArchiveError(`${path} changed while it was checked. Run this command again.`);
    const entries = decodeBundle(bundle) ?? [];
    for (const place of places) {
      const entry = parseBatchEntry(entries[place - index * tileWidth]?.toString() ?? '');
      if (entry !== null) yield entry;
    }
  }
}
