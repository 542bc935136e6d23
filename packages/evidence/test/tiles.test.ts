import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkpointPath, sizeOfCheckpoint } from '../src/log-files.ts';
import {
  decodeBundle,
  encodeBundle,
  isTileOf,
  listNewTiles,
  listTileNodes,
  parseTilePath,
  tilePath,
} from '../src/tiles.ts';

/* The examples are those of C2SP tlog-tiles: the path of tile 1234067, and the tiles of a log of 70,000 entries. */

test.each([
  [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
  [{ level: 0, index: 273, width: 112 }, 'tile/0/273.p/112'],
  [{ level: 1, index: 0, width: 256 }, 'tile/1/000'],
  [{ level: 'entries', index: 1_000, width: 1 }, 'tile/entries/x001/000.p/1'],
] as const)('the path of %j is %s, and back', (tile, path) => {
  expect(tilePath(tile)).toBe(path);
  expect(parseTilePath(path)).toEqual(tile);
});

test.each([
  'tile/0/1',
  'tile/0/000.p/0',
  'tile/0/000.p/256',
  'tile/00/000',
  'tile/0/x000/001',
  'tile/x/000',
  'tile/0/001/',
])('%s is not the path of a tile', (path) => {
  expect(parseTilePath(path)).toBeNull();
});

test('a log has exactly the tiles that it lists, and the narrower ones of its earlier sizes', () => {
  for (const size of [0, 1, 255, 256, 257, 70_000]) {
    const listed = listNewTiles(0, size);
    expect(listed.every((tile) => isTileOf(size, tile))).toBe(true);
    expect(listNewTiles(size, size + 1).some((tile) => isTileOf(size, tile))).toBe(false);
  }
  expect(isTileOf(300, { level: 0, index: 1, width: 20 })).toBe(true);
  expect(isTileOf(300, { level: 1, index: 0, width: 2 })).toBe(false);
});

test('a log of 70,000 entries has 273 full tiles and partial ones of 112, 17 and 1', () => {
  const tiles = listNewTiles(0, 70_000).filter(({ level }) => level !== 'entries');
  expect(tiles.filter(({ level, width }) => level === 0 && width === 256)).toHaveLength(273);
  expect(tiles.filter(({ width }) => width < 256).map(tilePath)).toEqual([
    'tile/0/273.p/112',
    'tile/1/001.p/17',
    'tile/2/000.p/1',
  ]);
  expect(tiles.filter(({ level, width }) => level === 1 && width === 256)).toHaveLength(1);
});

test('growing step by step makes every tile of the last size, and none twice', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 8 }), (steps) => {
      const paths: string[] = [];
      let size = 0;
      for (const step of steps) {
        paths.push(...listNewTiles(size, size + step).map(tilePath));
        size += step;
      }
      expect(new Set(paths).size).toBe(paths.length);
      expect(paths).toEqual(expect.arrayContaining(listNewTiles(0, size).map(tilePath)));
    }),
  );
});

test.each([0, 1, 255, 256, 257, 65_535, 65_536, 65_537])('the tiles of %i entries hold each node once', (size) => {
  const tiles = listNewTiles(0, size);
  const hashes = tiles.flatMap((tile) =>
    tile.level === 'entries' ? [] : listTileNodes({ ...tile, level: tile.level }),
  );
  const expected = [0, 1, 2].reduce((sum, level) => sum + Math.floor(size / 256 ** level), 0);
  expect(new Set(hashes.map(({ level, index }) => `${level}/${index}`)).size).toBe(expected);
  expect(hashes).toHaveLength(expected);
});

test('a bundle gives back its entries, and no cut bundle is one', () => {
  const entries = ['', 'one', 'x'.repeat(65_535)].map((text) => Buffer.from(text));
  const bundle = encodeBundle(entries);
  expect(bundle.subarray(0, 7)).toEqual(Buffer.from([0, 0, 0, 3, 0x6f, 0x6e, 0x65]));
  expect(decodeBundle(bundle)).toEqual(entries);
  expect(decodeBundle(bundle.subarray(0, -1))).toBeNull();
  expect(decodeBundle(bundle.subarray(0, 1))).toBeNull();
  expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow('65536 bytes');
});

test('the paths of checkpoints sort by size, and give back their size', () => {
  expect(checkpointPath(42)).toBe('_log/checkpoints/000000000042');
  expect(sizeOfCheckpoint(checkpointPath(42))).toBe(42);
  expect(sizeOfCheckpoint('_log/tile/0/000')).toBeNull();
});
