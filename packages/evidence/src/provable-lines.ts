import { createLineTree, type LineTree } from './line-tree.ts';
import { must } from './merkle.ts';
import { proveInclusion } from './proofs.ts';

/** The tree over the lines of a batch, with all of its nodes, so that lines can be proven. */
export interface ProvableLines extends Pick<LineTree, 'add' | 'root'> {
  /** What proves a line: its sibling first. */
  prove(index: number): Buffer[];
}

/**
 * Each node is hashed once, when its last line ends. So the work is spread over the chunks, and nobody waits for a whole tree.
 * `onLine` is given each line and its number; the line is only valid during the call.
 */
export function createProvableLines(onLine: (line: Buffer, index: number) => void): ProvableLines {
  const levels: Buffer[][] = [];
  const tree = createLineTree((line, completed) => {
    for (const [level, hash] of completed.entries()) {
      levels[level] ??= [];
      levels[level].push(Buffer.from(hash, 'latin1'));
    }
    onLine(line, tree.lines - 1);
  });
  return {
    add: tree.add,
    root: tree.root,
    prove: (index) => proveInclusion(index, tree.lines, (node) => must(levels[node.level]?.[node.index])),
  };
}
