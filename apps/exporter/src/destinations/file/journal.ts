import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { syncFolder } from './append.ts';

const journalSchema = z.strictObject({
  /** The request that is being written: its file, and the length that the file had before. */
  writing: z.strictObject({ file: z.string().regex(/^dt=[\d-]+\.ndjson$/), length: z.int().min(0) }).nullable(),
  /** The last requests that were written. One of them may come again, because a crash came before it was marked. */
  written: z.array(z.string()),
});

type JournalState = z.output<typeof journalSchema>;

/** What a folder of files has to remember, in a file of it. Each change is on disk when its promise resolves. */
export interface Journal {
  /** Throws when the file is not a journal. */
  read(): Promise<JournalState>;
  begin(writing: NonNullable<JournalState['writing']>): Promise<void>;
  finish(key: string): Promise<void>;
}

/** More than the deliveries at once that a destination may have. */
const keysKept = 256;

export function openJournal(path: string): Journal {
  let known: JournalState | null = null;

  async function read(): Promise<JournalState> {
    if (known !== null) return known;
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    const parsed = text === null ? { writing: null, written: [] } : journalSchema.parse(JSON.parse(text));
    known = parsed;
    return parsed;
  }

  async function write(state: JournalState): Promise<void> {
    // What is on disk is not known until this has succeeded.
    known = null;
    const file = await open(`${path}.new`, 'w', 0o640);
    try {
      await file.writeFile(JSON.stringify(state));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncFolder(dirname(path));
    known = state;
  }

  return {
    read,
    begin: async (writing) => write({ ...(await read()), writing }),
    finish: async (key) => write({ writing: null, written: [...(await read()).written, key].slice(-keysKept) }),
  };
}
