import { hash } from 'node:crypto';

/*
 * The hashes of RFC 6962, section 2.1: a leaf is SHA-256(0x00 ‖ data), a node is SHA-256(0x01 ‖ left ‖ right). The prefixes
 * keep a node from posing as a leaf.
 */

/** Bytes of a hash. */
export const hashBytes = 32;

/** The root of a tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Buffer = hash('sha256', '', 'buffer');

export function leafHash(data: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(data.length + 1);
  prefixed[0] = 0;
  prefixed.set(data, 1);
  return hash('sha256', prefixed, 'buffer');
}

const pair = Buffer.alloc(1 + 2 * hashBytes, 1);

/** Uses one scratch buffer, which is safe because nothing runs in between. */
function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(pair, 1);
  right.copy(pair, 1 + hashBytes);
  return hash('sha256', pair, 'buffer');
}

/** A tree that grows at its right edge. It keeps one hash for each full subtree, at most 53. */
export interface GrowingTree {
  readonly size: number;
  /** Adds a leaf. Returns the leaf's hash and those of the subtrees that it completes, from small to large. */
  append(leaf: Buffer): readonly Buffer[];
  root(): Buffer;
}

/** `edge`: the hashes of the full subtrees of a tree with `size` leaves, from large to small. */
export function growTree(size = 0, edge: readonly Buffer[] = []): GrowingTree {
  const full: Buffer[] = [];
  const fromSmall = [...edge].reverse();
  for (let level = 0, rest = size; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) full[level] = must(fromSmall.shift());
  }
  if (fromSmall.length > 0) throw new TypeError(`A tree of ${size} leaves has fewer full subtrees.`);
  let leaves = size;
  return {
    get size() {
      return leaves;
    },
    append(leaf) {
      const completed = [leaf];
      let top = leaf;
      let level = 0;
      for (let rest = leaves; rest % 2 === 1; rest = Math.floor(rest / 2)) {
        top = nodeHash(must(full[level]), top);
        completed.push(top);
        level += 1;
      }
      full[level] = top;
      leaves += 1;
      return completed;
    },
    root() {
      let root: Buffer | null = null;
      for (let level = 0, rest = leaves; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
        if (rest % 2 === 1) root = root === null ? must(full[level]) : nodeHash(must(full[level]), root);
      }
      return root ?? emptyRoot;
    },
  };
}

/** A subtree with 2^`level` leaves, the `index`th of that size. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

export type FindNode = (node: TreeNode) => Buffer;

/** Leaves from `begin` up to `end`, as RFC 6962 splits a tree. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

/** The full subtrees of the leaves below `size`, from large to small. */
export function listEdge(size: number): TreeNode[] {
  return listNodes({ begin: 0, end: size });
}

/** The root of a tree, from its nodes. */
export function rootOf(size: number, find: FindNode): Buffer {
  return size === 0 ? emptyRoot : hashRange({ begin: 0, end: size }, find);
}

/** What proves that the leaf `index` is in a tree of `size` leaves: the leaf's sibling first. */
export function proveInclusion(index: number, size: number, find: FindNode): Buffer[] {
  return inclusionRanges(index, size).map((range) => hashRange(range, find));
}

/** The nodes that `proveInclusion` asks for. */
export function listInclusionNodes(index: number, size: number): TreeNode[] {
  return inclusionRanges(index, size).flatMap(listNodes);
}

/** As `proveInclusion`, with nodes that are read from a store, all at once. */
export async function proveInclusionFrom(
  index: number,
  size: number,
  readNodes: (nodes: readonly TreeNode[]) => Promise<readonly Buffer[]>,
): Promise<Buffer[]> {
  const nodes = listInclusionNodes(index, size);
  const hashes = await readNodes(nodes);
  const known = new Map(nodes.map(({ level, index: at }, n) => [`${level}/${at}`, hashes[n]]));
  return proveInclusion(index, size, ({ level, index: at }) => must(known.get(`${level}/${at}`)));
}

/** What proves that a tree of `size` leaves begins with the tree of `oldSize` leaves. */
export function proveConsistency(oldSize: number, size: number, find: FindNode): Buffer[] {
  return consistencyRanges(oldSize, size).map((range) => hashRange(range, find));
}

/** The nodes that `proveConsistency` asks for. */
export function listConsistencyNodes(oldSize: number, size: number): TreeNode[] {
  return consistencyRanges(oldSize, size).flatMap(listNodes);
}

/** RFC 9162, section 2.1.3.2. */
export function isIncluded(
  leaf: Buffer,
  { index, size, path, root }: { index: number; size: number; path: readonly Buffer[]; root: Buffer },
): boolean {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) return false;
  let at = index;
  let last = size - 1;
  let found = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      found = nodeHash(sibling, found);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      found = nodeHash(found, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && found.equals(root);
}

/** RFC 9162, section 2.1.4.2. */
export function isConsistent(
  old: { size: number; root: Buffer },
  { size, root, path }: { size: number; root: Buffer; path: readonly Buffer[] },
): boolean {
  if (old.size > size) return false;
  if (old.size === size) return path.length === 0 && old.root.equals(root);
  if (old.size === 0) return path.length === 0 && old.root.equals(emptyRoot);
  const isFull = Number.isInteger(Math.log2(old.size));
  const [first, ...others] = isFull ? [old.root, ...path] : path;
  if (first === undefined) return false;
  let at = old.size - 1;
  let last = size - 1;
  while (at % 2 === 1) {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  let oldRoot = first;
  let newRoot = first;
  for (const sibling of others) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      oldRoot = nodeHash(sibling, oldRoot);
      newRoot = nodeHash(sibling, newRoot);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newRoot = nodeHash(newRoot, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && oldRoot.equals(old.root) && newRoot.equals(root);
}

/** Finds nodes of a tree whose leaves are all in memory. */
export function findIn(leaves: readonly Buffer[]): FindNode {
  const levels: Buffer[][] = [[...leaves]];
  for (let below = must(levels[0]); below.length > 1; below = must(levels.at(-1))) {
    levels.push(
      Array.from({ length: below.length >> 1 }, (_, n) => nodeHash(must(below[2 * n]), must(below[2 * n + 1]))),
    );
  }
  return ({ level, index }) => must(levels[level]?.[index]);
}

/** RFC 6962, section 2.1.1. */
function inclusionRanges(index: number, size: number): Range[] {
  const ranges: Range[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin);
    if (index < middle) {
      ranges.unshift({ begin: middle, end });
      end = middle;
    } else {
      ranges.unshift({ begin, end: middle });
      begin = middle;
    }
  }
  return ranges;
}

/** RFC 6962, section 2.1.2. */
function consistencyRanges(oldSize: number, size: number): Range[] {
  if (oldSize === 0 || oldSize === size) return [];
  const ranges: Range[] = [];
  let [begin, end] = [0, size];
  while (oldSize !== end) {
    const middle = begin + splitOf(end - begin);
    if (oldSize <= middle) {
      ranges.unshift({ begin: middle, end });
      end = middle;
    } else {
      ranges.unshift({ begin, end: middle });
      begin = middle;
    }
  }
  return begin === 0 ? ranges : [{ begin, end }, ...ranges];
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function listNodes({ begin, end }: Range): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at = begin; at < end; ) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

function hashRange(range: Range, find: FindNode): Buffer {
  return listNodes(range)
    .map(find)
    .reduceRight((right, left) => nodeHash(left, right));
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('The tree has no such node.');
  return value;
}
