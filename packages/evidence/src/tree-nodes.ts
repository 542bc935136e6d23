import { emptyRoot, nodeHash } from './merkle.ts';

/** A subtree with 2^`level` leaves, the `index`th of that size. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

export type FindNode = (node: TreeNode) => Buffer;

/** Leaves from `begin` up to `end`, as RFC 6962 splits a tree. */
export interface Range {
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

/** The full subtrees of a range, from left to right. */
export function listNodes({ begin, end }: Range): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at = begin; at < end; ) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

/** The hash of the tree over a range. */
export function hashRange(range: Range, find: FindNode): Buffer {
  return listNodes(range)
    .map(find)
    .reduceRight((right, left) => nodeHash(left, right));
}
