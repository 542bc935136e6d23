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
export interface GrowingTree<Hash = Buffer> {
  readonly size: number;
  /** Adds a leaf. Returns the leaf's hash and those of the subtrees that it completes, from small to large. */
  append(leaf: Hash): readonly Hash[];
  root(): Hash;
}

/** `edge`: the hashes of the full subtrees of a tree with `size` leaves, from large to small. */
export function growTree(size = 0, edge: readonly Buffer[] = []): GrowingTree {
  return grow({ empty: emptyRoot, join: nodeHash }, size, edge);
}

/**
 * A hash as a text of 32 characters, each of which is a byte (latin1). Node makes such a text in a third of the time of a
 * buffer, and leaves no memory outside of V8's heap. It is for trees of many leaves.
 */
export type HashText = string;

export function growTextTree(): GrowingTree<HashText> {
  return grow({ empty: emptyRoot.toString('latin1'), join: joinTexts }, 0, []);
}

function joinTexts(left: HashText, right: HashText): HashText {
  pair.write(left, 1, 'latin1');
  pair.write(right, 1 + hashBytes, 'latin1');
  return hash('sha256', pair, 'binary');
}

interface HashForm<Hash> {
  /** The root of a tree without leaves. */
  readonly empty: Hash;
  readonly join: (left: Hash, right: Hash) => Hash;
}

function grow<Hash>({ empty, join }: HashForm<Hash>, size: number, edge: readonly Hash[]): GrowingTree<Hash> {
  const full: Hash[] = [];
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
        top = join(must(full[level]), top);
        completed.push(top);
        level += 1;
      }
      full[level] = top;
      leaves += 1;
      return completed;
    },
    root() {
      let root: Hash | null = null;
      for (let level = 0, rest = leaves; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
        if (rest % 2 === 1) root = root === null ? must(full[level]) : join(must(full[level]), root);
      }
      return root ?? empty;
    },
  };
}

/** For nodes that are there if the tree has its size. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('The tree has no such node.');
  return value;
}
