import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { createReminder } from './reminder.ts';

/** A file and what it held when it was read. */
export interface KnownFile {
  readonly path: string;
  readonly text: string;
}

/** Files that belong together, such as a certificate and its key. Undefined: the settings name no such file. */
type Files = Readonly<Record<string, KnownFile | undefined>>;

/** Files that are rotated on disk, and what is made of them. */
interface RotatedFiles<F extends Files, Made> {
  readonly files: F;
  /** What was made of the files at the start. */
  readonly made: Made;
  /** Throws when the files cannot be used, such as a certificate whose key is not there yet. */
  make(files: F): Made;
  /** The files have changed and are in use. */
  onChange?(): void;
  /** The files have changed and cannot be used. Called for each new message, and every hour while it stays the same. */
  onMistake?(error: unknown): void;
}

/** Files that are rotated are read again this often at most. */
export const rereadMs = 5_000;

export function readKnownFile(path: string): KnownFile {
  return { path, text: readFileSync(path, 'utf8') };
}

/**
 * Returns what is made of the files now. They are read again every `checkMs` at most. Files that cannot be read or used leave
 * the former result in use, and are tried again.
 */
export function rereadFiles<F extends Files, Made>(
  { files, made, make, onChange, onMistake }: RotatedFiles<F, Made>,
  checkMs = rereadMs,
): () => Made {
  let readAt = performance.now();
  const reminder = createReminder();

  function readAgain(): void {
    try {
      const next = Object.fromEntries(
        Object.entries(files).map(([name, file]) => [name, file && readKnownFile(file.path)]),
      ) as F;
      const hasChanged = !isDeepStrictEqual(next, files);
      if (hasChanged) made = make(next);
      files = next;
      reminder.end();
      if (hasChanged) onChange?.();
    } catch (error) {
      if (reminder.isDue((error as Error).message)) onMistake?.(error);
    }
  }

  return () => {
    if (performance.now() - readAt >= checkMs) {
      readAt = performance.now();
      readAgain();
    }
    return made;
  };
}
