import { type FileHandle, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { syncFolder } from '../sync-folder.ts';
import { createFileQueue } from './file-queue.ts';
import { SpoolFullError } from './spool-errors.ts';

/*
 * The files of a spool. Lines are appended to the newest file. A file that is full, or that is to be sent, gets no more lines.
 * An older process's files get none either, because their last line may be torn.
 */

export interface SpoolFiles {
  /** Resolves when the line is on disk. Lines that wait for the disk share its next sync. Throws SpoolFullError. */
  append(line: string): Promise<void>;
  /** The next file to send with its text, which gets no more lines; null if no line waits. */
  takeNext(): Promise<{ readonly name: string; readonly text: string } | null>;
  remove(name: string): Promise<void>;
  /** Moves a file to the end of those that were postponed. */
  postpone(name: string): void;
  /** Puts lines at the end of the postponed files, in place of a file. A crash in between leaves both. */
  replace(name: string, lines: string): Promise<void>;
  /** Keeps lines for a person. They count as long as they are there. */
  keepRefused(lines: string): Promise<void>;
  readonly bytes: number;
  close(): Promise<void>;
}

interface WaitingLine {
  readonly line: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

interface OpenFile {
  readonly name: string;
  readonly handle: FileHandle;
  size: number;
}

const nameForm = /^\d{12}\.events$/;
/** One request sends a whole file, unless its events are very small. */
const fullBytes = 1024 * 1024;

/** The folder must belong to this process alone. */
export async function openSpoolFiles(folder: string, maxBytes: number): Promise<SpoolFiles> {
  const refusedFile = join(folder, 'refused.ndjson');
  const sizeOf = async (path: string) => (await stat(path).catch(() => null))?.size ?? 0;
  const queue = createFileQueue();
  const names = (await readdir(folder)).filter((name) => nameForm.test(name)).sort();
  let nextNumber = Number.parseInt(names.at(-1) ?? '0', 10) + 1;
  let refusedBytes = await sizeOf(refusedFile);
  let bytes = 0;
  for (const name of names) {
    const size = await sizeOf(join(folder, name));
    queue.add({ name, size });
    bytes += size;
  }
  let current: OpenFile | null = null;
  let waiting: WaitingLine[] = [];

  /** What touches the newest file happens one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function begin(): Promise<OpenFile> {
    const name = `${String(nextNumber).padStart(12, '0')}.events`;
    const handle = await open(join(folder, name), 'ax', 0o600);
    nextNumber += 1;
    current = { name, handle, size: 0 };
    // Before the first line is acknowledged: after a crash a file without a name on disk is lost.
    await syncFolder(folder);
    return current;
  }

  async function end(): Promise<void> {
    if (current === null) return;
    const { name, handle, size } = current;
    current = null;
    queue.add({ name, size });
    await handle.close();
  }

  /** After an error of the disk. A file in which no line was acknowledged goes, so that a full disk does not fill with names. */
  async function leave(): Promise<void> {
    const failed = current;
    await end();
    if (failed?.size === 0) await files.remove(failed.name);
  }

  async function writeWaiting(): Promise<void> {
    // Each line has its turn, so lines above the limit are written in a later turn.
    let size = 0;
    const lines: WaitingLine[] = [];
    while (size < fullBytes && waiting[lines.length] !== undefined) {
      const next = waiting[lines.length] as WaitingLine;
      lines.push(next);
      size += next.line.length;
    }
    waiting = waiting.slice(lines.length);
    if (lines.length === 0) return;
    try {
      const file = current ?? (await begin());
      await file.handle.appendFile(Buffer.concat(lines.map(({ line }) => line)));
      await file.handle.sync();
      file.size += size;
      if (file.size >= fullBytes) await end();
    } catch (error) {
      // What the disk has of these lines is unknown. The next lines must not stand behind a torn one.
      await leave().catch(() => {});
      bytes -= size;
      for (const { reject } of lines) reject(error);
      return;
    }
    for (const { resolve } of lines) resolve();
  }

  async function reserve(size: number): Promise<void> {
    bytes += size;
    if (bytes + refusedBytes <= maxBytes) return;
    // A person may have removed the file.
    refusedBytes = await sizeOf(refusedFile);
    if (bytes + refusedBytes <= maxBytes) return;
    bytes -= size;
    throw new SpoolFullError(
      `The spool in ${folder} is full: ${bytes} bytes wait, ${refusedBytes} bytes were refused, maxBytes is ${maxBytes}.`,
    );
  }

  const files: SpoolFiles = {
    async append(text) {
      const line = Buffer.from(text);
      await reserve(line.length);
      const onDisk = new Promise<void>((resolve, reject) => {
        waiting.push({ line, resolve, reject });
      });
      await Promise.all([onDisk, inTurn(writeWaiting)]);
    },
    async takeNext() {
      await inTurn(async () => {
        if (queue.wantsFile) await end();
      });
      const next = queue.takeNext();
      if (next === undefined) return null;
      return { name: next.name, text: await readFile(join(folder, next.name), 'utf8') };
    },
    async remove(name) {
      await rm(join(folder, name), { force: true });
      bytes -= queue.drop(name)?.size ?? 0;
    },
    postpone: (name) => queue.postpone(name),
    replace: (name, lines) =>
      inTurn(async () => {
        await end();
        const file = await begin();
        try {
          await file.handle.appendFile(lines);
          await file.handle.sync();
        } catch (error) {
          // The lines are in the other file too.
          await leave().catch(() => {});
          throw error;
        }
        file.size = Buffer.byteLength(lines);
        bytes += file.size;
        await end();
        queue.postpone(file.name);
        await files.remove(name);
      }),
    async keepRefused(lines) {
      const file = await open(refusedFile, 'a+', 0o600);
      try {
        // The last line is torn after a crash or on a full disk. What follows must not stand on it.
        const { size } = await file.stat();
        const { buffer } = await file.read({ buffer: Buffer.alloc(1, '\n'), position: Math.max(0, size - 1) });
        await file.appendFile(buffer.toString() === '\n' ? lines : `\n${lines}`);
        await file.sync();
      } finally {
        await file.close();
      }
      await syncFolder(folder);
      refusedBytes = await sizeOf(refusedFile);
    },
    get bytes() {
      return bytes;
    },
    close: () => inTurn(end),
  };
  return files;
}

/** Makes the folder for the owner alone, and its name durable. */
export async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined) await syncFolder(dirname(resolve(made)));
}
