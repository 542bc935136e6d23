import type { HashText } from '../../../evidence/src/merkle.ts';

/** An event that was looked for, with the leaf hash of its line as it is in the object. */
export interface MetLine {
  readonly id: string;
  /** 64 hexadecimal digits. */
  readonly line: string;
}

/** Looks for events among the lines of an object. */
export interface LineSearch {
  /** As `onLine` of the tree over lines. */
  look(line: Buffer, completed: readonly HashText[]): void;
  readonly lines: readonly MetLine[];
}

/** What stands before the id of an event in its line, and how long the id is. */
const idStart = '{"id":"'.length;
const idLength = 36;

export function createLineSearch(wanted: ReadonlySet<string>): LineSearch {
  const lines: MetLine[] = [];
  return {
    look(line, [leaf]) {
      const id = line.toString('latin1', idStart, idStart + idLength);
      if (leaf !== undefined && wanted.has(id)) lines.push({ id, line: Buffer.from(leaf, 'latin1').toString('hex') });
    },
    lines,
  };
}
