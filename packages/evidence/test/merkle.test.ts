import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyRoot, growTree, leafHash } from '../src/merkle.ts';
import {
  isConsistent,
  isIncluded,
  listConsistencyNodes,
  listInclusionNodes,
  proveConsistency,
  proveInclusion,
} from '../src/proofs.ts';
import { listEdge, rootOf } from '../src/tree-nodes.ts';
import { findIn } from './find-in.ts';

/*
 * The vectors are those of the Certificate Transparency project: github.com/transparency-dev/merkle, testonly/constants.go
 * and proof/verify_test.go (Apache 2.0).
 */

const hex = (text: string) => Buffer.from(text, 'hex');
const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  hex,
);
const leaves = inputs.map(leafHash);
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
].map(hex);
const root = (size: number) => roots[size] ?? emptyRoot;

const node96 = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7';
const node5f = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e';
const node6b = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4';
const nodeBc = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b';
const nodeCa = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0';
const nodeD3 = 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7';
const nodeFa = 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125';
const node6e = '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d';
const node0e = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a';
const nodeB0 = 'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f';

test.each(roots.map((expected, size) => [size, expected] as const))(
  'the root of %i published leaves is the published one',
  (size, expected) => {
    const tree = growTree();
    for (const leaf of leaves.slice(0, size)) tree.append(leaf);
    expect(tree.root()).toEqual(expected);
    expect(rootOf(size, findIn(leaves.slice(0, size)))).toEqual(expected);
  },
);

test.each([
  [0, 8, [node96, node5f, node6b]],
  [5, 8, [nodeBc, nodeCa, nodeD3]],
  [2, 3, [nodeFa]],
  [1, 5, [node6e, node5f, nodeBc]],
] as const)('the inclusion of leaf %i of %i is proven as published', (index, size, path) => {
  const made = proveInclusion(index, size, findIn(leaves.slice(0, size)));
  expect(made.map((hash) => hash.toString('hex'))).toEqual(path);
});

test.each([
  [1, 1, []],
  [1, 8, [node96, node5f, node6b]],
  [6, 8, [node0e, nodeCa, nodeD3]],
  [2, 5, [node5f, nodeBc]],
  [6, 7, [node0e, nodeB0, nodeD3]],
] as const)('the consistency of %i leaves with %i is proven as published', (oldSize, size, path) => {
  const made = proveConsistency(oldSize, size, findIn(leaves.slice(0, size)));
  expect(made.map((hash) => hash.toString('hex'))).toEqual(path);
  expect(isConsistent({ size: oldSize, root: root(oldSize) }, { size, root: root(size), path: made })).toBe(true);
});

const many = Array.from({ length: 300 }, (_, n) => leafHash(Buffer.from(String(n))));
const sizes = fc.integer({ min: 1, max: 300 });
const treeOf = (size: number) => findIn(many.slice(0, size));

test('every leaf of a tree of any size is proven, and no proof holds for another leaf, place, size or path', () => {
  fc.assert(
    fc.property(sizes, fc.nat(299), fc.nat(255), (size, at, bit) => {
      const index = at % size;
      const find = treeOf(size);
      const path = proveInclusion(index, size, find);
      const given = { index, size, path, root: rootOf(size, find) };
      const leaf = many[index] ?? emptyRoot;
      expect(isIncluded(leaf, given)).toBe(true);
      expect(isIncluded(leafHash(Buffer.from('another')), given)).toBe(false);
      expect(isIncluded(leaf, { ...given, path: [...path, leaf] })).toBe(false);
      if (size > 1) {
        expect(isIncluded(leaf, { ...given, index: (index + 1) % size })).toBe(false);
        expect(isIncluded(leaf, { ...given, path: path.slice(1) })).toBe(false);
        const flipped = path.map((hash, n) => (n === bit % path.length ? flip(hash, bit) : hash));
        expect(isIncluded(leaf, { ...given, path: flipped })).toBe(false);
      }
    }),
    { numRuns: 300 },
  );
});

test('a grown tree is consistent with each of its earlier sizes, and with no other root', () => {
  fc.assert(
    fc.property(sizes, fc.nat(300), (size, at) => {
      const oldSize = at % (size + 1);
      const find = treeOf(size);
      const old = { size: oldSize, root: rootOf(oldSize, treeOf(oldSize)) };
      const given = { size, root: rootOf(size, find), path: proveConsistency(oldSize, size, find) };
      expect(isConsistent(old, given)).toBe(true);
      expect(isConsistent({ ...old, root: flip(old.root, at % 256) }, given)).toBe(false);
      if (oldSize > 0 && oldSize < size) {
        expect(isConsistent(old, { ...given, root: flip(given.root, 3) })).toBe(false);
        expect(isConsistent(old, { ...given, path: given.path.slice(0, -1) })).toBe(false);
        expect(isConsistent(old, { ...given, path: [...given.path, old.root] })).toBe(false);
      }
    }),
    { numRuns: 300 },
  );
});

test('a tree that goes on from its edge is the tree that was never left', () => {
  fc.assert(
    fc.property(sizes, fc.nat(300), (size, at) => {
      const before = at % (size + 1);
      const find = treeOf(size);
      const tree = growTree(before, listEdge(before).map(treeOf(Math.max(before, 1))));
      for (const leaf of many.slice(before, size)) tree.append(leaf);
      expect(tree.root()).toEqual(rootOf(size, find));
    }),
  );
});

test('an appended leaf returns the hash of each subtree that it completes', () => {
  const tree = growTree();
  const find = findIn(many);
  for (const [at, leaf] of many.entries()) {
    tree.append(leaf).forEach((hash, level) => {
      expect(hash).toEqual(find({ level, index: (at + 1) / 2 ** level - 1 }));
    });
  }
});

test('a proof needs the nodes that are listed for it and no other', () => {
  fc.assert(
    fc.property(sizes, fc.nat(299), (size, at) => {
      const asked = new Set<string>();
      const find = treeOf(size);
      const noting = (node: { level: number; index: number }) => {
        asked.add(`${node.level}/${node.index}`);
        return find(node);
      };
      const listed = [...listInclusionNodes(at % size, size), ...listConsistencyNodes(at % (size + 1), size)];
      proveInclusion(at % size, size, noting);
      proveConsistency(at % (size + 1), size, noting);
      expect(new Set(listed.map(({ level, index }) => `${level}/${index}`))).toEqual(asked);
    }),
  );
});

function flip(hash: Buffer, bit: number): Buffer {
  const flipped = Buffer.from(hash);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}
