import { must, nodeHash } from '../src/merkle.ts';
import type { FindNode } from '../src/tree-nodes.ts';

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
