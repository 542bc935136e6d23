import { hash } from 'node:crypto';
import { growTextTree, type HashText } from './merkle.ts';

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
const firstOpenBytes = 4096;

/**
 * `onLine` is given each line, which is only valid during the call, and the hashes that it completes: the leaf's, and those of
 * full subtrees, from small to large. The prefix of a leaf costs no copy: the newline in front of a line becomes 0x00 while the
 * line is hashed. A line that is in two chunks is copied to memory that is used again.
 */
export function createLineTree(onLine?: (line: Buffer, completed: readonly HashText[]) => void): LineTree {
  const tree = growTextTree();
  let open = Buffer.alloc(firstOpenBytes);
  /** Bytes of the open line in it, after the prefix. Null: no line is open. */
  let opened: number | null = null;

  function append(prefixed: Buffer): void {
    const completed = tree.append(hash('sha256', prefixed, 'binary'));
    onLine?.(prefixed.subarray(1), completed);
  }

  function extend(part: Buffer): number {
    const from = opened ?? 0;
    const end = from + part.length;
    if (open.length <= end) open = Buffer.concat([open.subarray(0, 1 + from)], 2 * (1 + end));
    part.copy(open, 1 + from);
    return end;
  }

  return {
    add(chunk) {
      let at = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, at)) {
        if (at === 0) {
          append(open.subarray(0, 1 + extend(chunk.subarray(at, end))));
          opened = null;
        } else {
          chunk[at - 1] = 0;
          append(chunk.subarray(at - 1, end));
          chunk[at - 1] = newline;
        }
        at = end + 1;
      }
      if (at < chunk.length) opened = extend(chunk.subarray(at));
    },
    get lines() {
      return tree.size;
    },
    get isCut() {
      return opened !== null;
    },
    root: () => Buffer.from(tree.root(), 'latin1').toString('hex'),
  };
}
