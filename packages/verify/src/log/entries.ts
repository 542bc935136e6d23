import { type BatchEntry, parseBatchEntry } from '../../../evidence/src/batch-entry.ts';
import { logFolder } from '../../../evidence/src/log-files.ts';
import { decodeBundle, eachBundle, tilePath, tileWidth } from '../../../evidence/src/tiles.ts';
import type { Archive } from '../archive/archive.ts';

/** The entries of a log of `size` at these places, read bundle after bundle, so that memory does not grow with the log. */
export async function* readEntries(
  archive: Archive,
  size: number,
  isWanted: (index: number) => boolean,
): AsyncIterable<BatchEntry> {
  for (const tile of eachBundle(size)) {
    const { index, width } = tile;
    const places = Array.from({ length: width }, (_, n) => index * tileWidth + n).filter(isWanted);
    if (places.length === 0) continue;
    const bundle = await archive.read(`${logFolder}${tilePath(tile)}`);
    const entries = (bundle && decodeBundle(bundle)) ?? [];
    for (const place of places) {
      const entry = parseBatchEntry(entries[place - index * tileWidth]?.toString() ?? '');
      if (entry !== null) yield entry;
    }
  }
}
