import type { TreeNode } from './tree-nodes.ts';

/*
 * The static files of C2SP tlog-tiles: 256 hashes a tile. Level 0 holds leaf hashes; each hash of level L + 1 is the root of
 * a full tile of level L.
 */

export const tileWidth = 256;

/** A tile, or the bundle of the entries that belong to a tile of level 0. */
export interface Tile {
  readonly level: number | 'entries';
  readonly index: number;
  /** 256 when full. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, with `.p/<width>` when it is not full. */
export function tilePath({ level, index, width }: Tile): string {
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return `tile/${level}/${groups.join('/')}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** Null when the path is not of a tile, as `tilePath` writes it. */
export function parseTilePath(path: string): Tile | null {
  const [, name = '', groups = '', digits] =
    /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
  const index = Number(groups.replaceAll(/[x/]/g, ''));
  if (name === '' || !Number.isSafeInteger(index)) return null;
  const width = digits === undefined ? tileWidth : Number(digits);
  const tile = { level: name === 'entries' ? name : Number(name), index, width } as const;
  return tilePath(tile) === path && width > 0 ? tile : null;
}

/** Whether a log of `size` entries has all hashes, or all entries, of a tile. */
export function isTileOf(size: number, { level, index, width }: Tile): boolean {
  const nodes = level === 'entries' ? size : Math.floor(size / tileWidth ** level);
  return index * tileWidth + width <= nodes;
}

/** The tiles of a log of `size` entries that a log of `oldSize` entries does not have. */
export function listNewTiles(oldSize: number, size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0, [before, now] = [oldSize, size]; now > 0; level += 1) {
    for (let index = Math.floor(before / tileWidth); before < now && index * tileWidth < now; index += 1) {
      const width = Math.min(tileWidth, now - index * tileWidth);
      if (level === 0) tiles.push({ level: 'entries', index, width });
      tiles.push({ level, index, width });
    }
    [before, now] = [Math.floor(before / tileWidth), Math.floor(now / tileWidth)];
  }
  return tiles;
}

/** The bundles of a log of `size` entries, one after another: a size that somebody made up must not fill the memory. */
export function* eachBundle(size: number): Iterable<Tile> {
  for (let index = 0; index * tileWidth < size; index += 1)
    yield { level: 'entries', index, width: Math.min(tileWidth, size - index * tileWidth) };
}

/** The nodes of the tree that a hash tile holds, in its order. */
export function listTileNodes({ level, index, width }: Tile & { readonly level: number }): TreeNode[] {
  return Array.from({ length: width }, (_, n) => ({ level: 8 * level, index: index * tileWidth + n }));
}

const lengthBytes = 2;
const mostBytes = 65_535;

/** Each entry with its length in front: 16 bits, most significant byte first. */
export function encodeBundle(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      if (entry.length > mostBytes)
        throw new RangeError(`An entry has ${entry.length} bytes; at most ${mostBytes} fit.`);
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** Null when the bytes are not a bundle. */
export function decodeBundle(bundle: Buffer): Buffer[] | null {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    if (at + lengthBytes > bundle.length) return null;
    const end = at + lengthBytes + bundle.readUInt16BE(at);
    if (end > bundle.length) return null;
    entries.push(bundle.subarray(at + lengthBytes, end));
    at = end;
  }
  return entries;
}
