import { emptyRoot, must, nodeHash } from './merkle.ts';
import { type FindNode, hashRange, listNodes, type Range, type TreeNode } from './tree-nodes.ts';

/* Proofs of inclusion and consistency: RFC 6962, sections 2.1.1 and 2.1.2; checked by RFC 9162, section 2.1. */

/** What proves that the leaf `index` is in a tree of `size` leaves: the leaf's sibling first. */
export function proveInclusion(index: number, size: number, find: FindNode): Buffer[] {
  return inclusionRanges(index, size).map((range) => hashRange(range, find));
}

/** The nodes that `proveInclusion` asks for. */
export function listInclusionNodes(index: number, size: number): TreeNode[] {
  return inclusionRanges(index, size).flatMap(listNodes);
}

/** Reads nodes from a store, all at once. Returns their hashes in the same order. */
export type ReadNodes = (nodes: readonly TreeNode[]) => Promise<readonly Buffer[]>;

/** As `proveInclusion`, with nodes from a store. */
export async function proveInclusionFrom(index: number, size: number, readNodes: ReadNodes): Promise<Buffer[]> {
  return proveInclusion(index, size, await findAmong(listInclusionNodes(index, size), readNodes));
}

/** What proves that a tree of `size` leaves begins with the tree of `oldSize` leaves. */
export function proveConsistency(oldSize: number, size: number, find: FindNode): Buffer[] {
  return consistencyRanges(oldSize, size).map((range) => hashRange(range, find));
}

/** The nodes that `proveConsistency` asks for. */
export function listConsistencyNodes(oldSize: number, size: number): TreeNode[] {
  return consistencyRanges(oldSize, size).flatMap(listNodes);
}

/** As `proveConsistency`, with nodes from a store. */
export async function proveConsistencyFrom(oldSize: number, size: number, readNodes: ReadNodes): Promise<Buffer[]> {
  return proveConsistency(oldSize, size, await findAmong(listConsistencyNodes(oldSize, size), readNodes));
}

async function findAmong(nodes: readonly TreeNode[], readNodes: ReadNodes): Promise<FindNode> {
  const hashes = await readNodes(nodes);
  const known = new Map(nodes.map(({ level, index }, n) => [`${level}/${index}`, hashes[n]]));
  return ({ level, index }) => must(known.get(`${level}/${index}`));
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
