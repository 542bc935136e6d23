import { hash } from 'node:crypto';
import { growTree } from './merkle.ts';

/** The tree over the lines of a batch. A leaf is a line without its newline. */
export interface LineTree {
  /** Hashes the lines of a chunk as they end. The chunk is as before when the call returns. */
  add(chunk: Buffer): void;
  readonly lines: number;
  /** Whether bytes follow the last newline. */
  readonly isCut: boolean;
  /** 64 hexadecimal digits. */
  root(): string;
}

const newline = 10;

/**
 * `onLine` is given each line, which is only valid during the call, and the hashes that it completes: the leaf's, and those of
 * full subtrees, from small to large. The prefix of a leaf costs no copy: the newline in front of a line becomes 0x00 while the
 * line is hashed.
 */
export function createLineTree(onLine?: (line: Buffer, completed: readonly Buffer[]) => void): LineTree {
  const tree = growTree();
  let open: Buffer | null = null;

  function append(prefixed: Buffer): void {
    const completed = tree.append(hash('sha256', prefixed, 'buffer'));
    onLine?.(prefixed.subarray(1), completed);
  }

  function prefix(before: Buffer | null, part: Buffer): Buffer {
    return Buffer.concat([before ?? Buffer.of(0), part]);
  }

  return {
    add(chunk) {
      let at = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, at)) {
        if (at === 0 || open !== null) {
          append(prefix(open, chunk.subarray(at, end)));
          open = null;
        } else {
          chunk[at - 1] = 0;
          append(chunk.subarray(at - 1, end));
          chunk[at - 1] = newline;
        }
        at = end + 1;
      }
      if (at < chunk.length) open = prefix(open, chunk.subarray(at));
    },
    get lines() {
      return tree.size;
    },
    get isCut() {
      return open !== null;
    },
    root: () => tree.root().toString('hex'),
  };
}
