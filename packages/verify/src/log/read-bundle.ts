import { hash } from 'node:crypto';
import { counted } from '../../../evidence/src/counted.ts';
import { logFolder } from '../../../evidence/src/log-files.ts';
import { decodeBundle, type Tile, tilePath } from '../../../evidence/src/tiles.ts';
import { ArchiveError } from '../archive/archive.ts';
import { broken } from '../finding.ts';
import { type ReadParts, readOrReport } from './read-file.ts';

/** What is known of 256 entries. */
type Bundle =
  | { readonly kind: 'entries'; readonly entries: readonly Buffer[]; readonly sha256: string }
  /** The entries cannot be read. The tile has their hashes, so the rest of the tree can be derived all the same. */
  | { readonly kind: 'hashes'; readonly hashes: readonly Buffer[] }
  /** Nothing behind it can be derived. */
  | { readonly kind: 'lost' };

const hashBytes = 32;

/** Reads entries, or else their hashes. What is wrong is reported. Throws ArchiveError when neither can be read. */
export async function readBundle(parts: ReadParts, tile: Tile): Promise<Bundle> {
  const path = `${logFolder}${tilePath(tile)}`;
  const file = await readOrReport(parts, path);
  const entries = file ? decodeBundle(file) : null;
  if (file && entries?.length === tile.width) return { kind: 'entries', entries, sha256: hash('sha256', file) };
  if (file !== undefined)
    parts.report(
      broken(
        file === null ? 'tile-missing' : 'tile-differs',
        path,
        `${counted(tile.width, 'entry is', 'entries are')} expected.`,
      ),
    );
  const hashes = await readOrReport(parts, `${logFolder}${tilePath({ ...tile, level: 0 })}`);
  if (hashes?.length === tile.width * hashBytes)
    return {
      kind: 'hashes',
      hashes: Array.from({ length: tile.width }, (_, n) => hashes.subarray(n * hashBytes, (n + 1) * hashBytes)),
    };
  if (file === undefined)
    throw new ArchiveError(
      `${path} cannot be read, and the hashes of its entries cannot be read either. Restore the folder _log/.`,
    );
  return { kind: 'lost' };
}
