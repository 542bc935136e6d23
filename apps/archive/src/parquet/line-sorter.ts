import { randomUUID } from 'node:crypto';
import { appendFileSync, readSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Puts lines in the order of their keys. The lines are in a file, so memory holds only their keys and places. These need about
 * 150 bytes for each line, however long the line is. DuckDB's sort holds the lines, and fails where they need more than its
 * memory.
 */
export interface LineSorter {
  /** The line has no line break. Returns its bytes in the file, with a line break. */
  add(key: string, line: string): number;
  /** Resolves to a file of the lines in order. It is valid until the next call. Throws when the signal is aborted. */
  sort(signal: AbortSignal): Promise<string>;
  /** Forgets what was added. */
  clear(): Promise<void>;
  /** Removes its files. */
  close(): Promise<void>;
}

const bufferBytes = 1024 * 1024;

/** The sorter keeps two files in the folder until it is closed. */
export async function createLineSorter(folder: string): Promise<LineSorter> {
  const name = join(folder, `lines-${randomUUID()}`);
  const paths = { added: `${name}-added`, sorted: `${name}-sorted` };
  const added = await open(paths.added, 'ax+');
  const sorted = await open(paths.sorted, 'ax+');
  const buffer = createBuffer();
  let keys: string[] = [];
  /** Where each line ends. */
  let ends: number[] = [];
  let isInOrder = true;

  return {
    add(key, line) {
      const last = keys.at(-1);
      isInOrder &&= last === undefined || last <= key;
      // Without the copy, a key that was cut from its line would keep the whole line in memory.
      keys.push(Buffer.from(key).toString());
      const bytes = Buffer.from(`${line}\n`);
      ends.push((ends.at(-1) ?? 0) + bytes.length);
      buffer.add(bytes);
      if (buffer.isFull()) appendFileSync(added.fd, buffer.take());
      return bytes.length;
    },
    async sort(signal) {
      appendFileSync(added.fd, buffer.take());
      if (isInOrder) return paths.added;
      await sorted.truncate(0);
      const order = [...keys.keys()].sort((one, other) => compare(keys[one] as string, keys[other] as string));
      await copyLines({ from: added, to: sorted, order, ends }, signal);
      return paths.sorted;
    },
    async clear() {
      keys = [];
      ends = [];
      isInOrder = true;
      buffer.take();
      await added.truncate(0);
      await sorted.truncate(0);
    },
    async close() {
      // An error of one must not keep the other open. Nobody needs the files any more.
      await Promise.allSettled([added.close(), sorted.close()]);
      for (const path of Object.values(paths)) await rm(path, { force: true });
    },
  };
}

interface LinesToCopy {
  readonly from: FileHandle;
  readonly to: FileHandle;
  readonly order: readonly number[];
  readonly ends: readonly number[];
}

/** Copies lines of a file to another file in this order. Lines that are neighbours in both files are read at once. */
async function copyLines({ from, to, order, ends }: LinesToCopy, signal: AbortSignal): Promise<void> {
  const buffer = createBuffer();
  let [start, end] = [0, 0];
  for (const place of order) {
    const startOfLine = ends[place - 1] ?? 0;
    if (startOfLine !== end || end - start >= bufferBytes) {
      buffer.add(readBytes(from.fd, start, end));
      if (buffer.isFull()) {
        await to.appendFile(buffer.take());
        signal.throwIfAborted();
      }
      start = startOfLine;
    }
    end = ends[place] as number;
  }
  buffer.add(readBytes(from.fd, start, end));
  await to.appendFile(buffer.take());
}

function readBytes(file: number, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  for (let filled = 0; filled < bytes.length; ) {
    const read = readSync(file, bytes, filled, bytes.length - filled, start + filled);
    if (read === 0) throw new Error('A file of lines became shorter while it was sorted.');
    filled += read;
  }
  return bytes;
}

function createBuffer() {
  let parts: Buffer[] = [];
  let bytes = 0;
  return {
    add(part: Buffer): void {
      parts.push(part);
      bytes += part.length;
    },
    isFull: () => bytes >= bufferBytes,
    take(): Buffer {
      const taken = Buffer.concat(parts);
      parts = [];
      bytes = 0;
      return taken;
    },
  };
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
