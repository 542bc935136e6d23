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

/** The hash of two subtrees. Uses one scratch buffer, which is safe because nothing runs in between. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
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

/** For nodes that are there if the tree has its size. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('The tree has no such node.');
  return value;
}
