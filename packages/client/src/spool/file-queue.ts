/** A file of a spool that gets no more lines. */
interface FullFile {
  readonly name: string;
  readonly size: number;
}

/**
 * In which order files are sent: the oldest first. Where files were postponed, it is in turn the first of them and the oldest of the
 * others. So new lines wait for one postponed file, however many there are.
 */
export interface FileQueue {
  add(file: FullFile): void;
  /** Whether a newer file would be the next one, if there were one. */
  readonly wantsFile: boolean;
  /** The next file, which stays in the queue; undefined if the queue is empty. */
  takeNext(): FullFile | undefined;
  /** Moves a file to the end of those that were postponed. */
  postpone(name: string): void;
  /** Takes a file out of the queue; undefined if it is not there. */
  drop(name: string): FullFile | undefined;
}

export function createFileQueue(): FileQueue {
  const others: FullFile[] = [];
  const postponed: FullFile[] = [];
  let isPostponedNext = false;

  function drop(name: string): FullFile | undefined {
    for (const files of [others, postponed]) {
      const index = files.findIndex((file) => file.name === name);
      if (index !== -1) return files.splice(index, 1)[0];
    }
    return undefined;
  }

  return {
    add: (file) => void others.push(file),
    get wantsFile() {
      return others.length === 0 && !(isPostponedNext && postponed.length > 0);
    },
    takeNext() {
      const due = isPostponedNext ? postponed[0] : undefined;
      const next = due ?? others[0] ?? postponed[0];
      isPostponedNext = next !== undefined && !postponed.includes(next);
      return next;
    },
    postpone(name) {
      const file = drop(name);
      if (file !== undefined) postponed.push(file);
    },
    drop,
  };
}
