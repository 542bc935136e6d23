import { existsSync } from 'node:fs';
import { open, readFile, rename, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { syncFolder } from './append.ts';

const journalSchema = z.strictObject({
  /** The request that is being written: its number, its file, and the length that the file had before. */
  writing: z
    .strictObject({
      number: z.int().min(1).optional(),
      file: z.string().regex(/^dt=[\d-]+\.ndjson$/),
      length: z.int().min(0),
    })
    .nullable(),
  /** Requests that a former version wrote, which kept no list. */
  written: z.array(z.string()).default([]),
});

type Writing = NonNullable<z.output<typeof journalSchema>['writing']>;

const listLine = /^(?<number>\d+) (?<file>\S+) (?<key>\S+)$/;

interface JournalState {
  readonly writing: Writing | null;
  readonly written: readonly string[];
  /** The file of each request of the list. */
  readonly listed: Map<string, string>;
  /** The number of the last request of the list. */
  readonly last: number;
}

/**
 * What a folder of files has to remember: the request that is being written, in a file, and the keys of those that were written,
 * in a list next to it. Each change is on disk when its promise resolves.
 */
export interface Journal {
  /** What is to be cut off a file, because a crash came while it was written; null if nothing is. Throws when the file is not a journal. */
  unfinished(): Promise<Omit<Writing, 'number'> | null>;
  /** Whether a request was written, and is among the last ones. */
  has(key: string): Promise<boolean>;
  begin(writing: Omit<Writing, 'number'>): Promise<void>;
  finish(key: string): Promise<void>;
  /** A file was taken away: its requests are written again if they come again. */
  forget(file: string): Promise<void>;
}

/**
 * A request comes again when a crash or an error came before it was marked. Others are written until its lease is over, and these
 * are more than are written in a minute.
 */
const usualKeys = 20_000;

export function openJournal(path: string, mostKeys = usualKeys): Journal {
  const listPath = path.replace(/\.json$/, '.list');
  let known: JournalState | null = null;

  async function read(): Promise<JournalState> {
    known ??= await readAll();
    return known;
  }

  async function readAll(): Promise<JournalState> {
    const text = await readText(path);
    const { writing, written } = journalSchema.parse(text === '' ? { writing: null } : JSON.parse(text));
    const list = await readText(listPath);
    const whole = list.slice(0, list.lastIndexOf('\n') + 1);
    // A crash came in the middle of its last line.
    if (whole !== list) await truncate(listPath, Buffer.byteLength(whole));
    const listed = new Map<string, string>();
    let last = 0;
    for (const line of whole.split('\n').slice(0, -1)) {
      const { number, file, key } = listLine.exec(line)?.groups ?? {};
      if (number === undefined || file === undefined || key === undefined)
        throw new Error(`${listPath} has a line that is not of a list of requests.`);
      listed.set(key, file);
      last = Number(number);
    }
    const isFinished = writing?.number !== undefined && writing.number <= last;
    return { writing: isFinished ? null : writing, written, listed, last };
  }

  /** What is on disk is not known until the change has succeeded. */
  async function change(make: (state: JournalState) => Promise<JournalState>): Promise<void> {
    const state = await read();
    known = null;
    known = await make(state);
  }

  async function replace(file: string, text: string): Promise<void> {
    const made = await open(`${file}.new`, 'w', 0o640);
    try {
      await made.writeFile(text);
      await made.sync();
    } finally {
      await made.close();
    }
    await rename(`${file}.new`, file);
    await syncFolder(dirname(file));
  }

  const writeJournal = ({ writing, written }: JournalState) => replace(path, JSON.stringify({ writing, written }));

  const writeList = ({ listed, last }: JournalState) => {
    const first = last - listed.size + 1;
    return replace(listPath, [...listed].map(([key, file], n) => `${first + n} ${file} ${key}\n`).join(''));
  };

  return {
    unfinished: async () => (await read()).writing,
    async has(key) {
      const { written, listed } = await read();
      return listed.has(key) || written.includes(key);
    },
    begin: (writing) =>
      change(async (state) => {
        const begun = { ...state, writing: { number: state.last + 1, ...writing } };
        await writeJournal(begun);
        return begun;
      }),
    finish: (key) =>
      change(async ({ writing, listed, ...state }) => {
        const last = state.last + 1;
        await append(listPath, `${last} ${writing?.file} ${key}\n`);
        listed.delete(key);
        listed.set(key, writing?.file ?? '');
        const finished = { ...state, writing: null, listed, last };
        if (listed.size <= 2 * mostKeys) return finished;
        const kept = { ...finished, listed: new Map([...listed].slice(-mostKeys)) };
        await writeList(kept);
        return kept;
      }),
    async forget(file) {
      if (![...(await read()).listed.values()].includes(file)) return;
      await change(async (state) => {
        const kept = { ...state, listed: new Map([...state.listed].filter(([, other]) => other !== file)) };
        // A list that became empty begins with 1 again, so no number may be left in the journal.
        await writeJournal(kept);
        await writeList(kept);
        return kept.listed.size === 0 ? { ...kept, last: 0 } : kept;
      });
    },
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

async function append(path: string, line: string): Promise<void> {
  const isNew = !existsSync(path);
  const file = await open(path, 'a', 0o640);
  try {
    await file.writeFile(line);
    await file.datasync();
  } finally {
    await file.close();
  }
  if (isNew) await syncFolder(dirname(path));
}
