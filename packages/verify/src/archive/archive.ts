import { setTimeout as delay } from 'node:timers/promises';

/** A file of an archive. Its path is relative to the prefix, with `/`. */
export interface ArchivedFile {
  readonly path: string;
  readonly bytes: number;
  /** In ms since 1970. */
  readonly modifiedAt: number;
}

/** A file or a folder that cannot be looked at, while others can. Nothing is known about what is in it. */
export interface UnreadPath {
  readonly path: string;
  /** A sentence. */
  readonly reason: string;
}

/** A version that a listing shows. */
export interface FileVersion {
  readonly kind: 'version' | 'delete marker';
  readonly path: string;
  readonly id: string;
  readonly isLatest: boolean;
}

/** How many bytes of the memory are the file's, and how many bytes of the file did not fit. */
export interface FilledMemory {
  readonly kept: number;
  readonly more: number;
  /** Null where the archive has no locks, or the file is not locked. */
  readonly lock: FileLock | null;
}

/** Until when nobody may remove a file: in the mode COMPLIANCE nobody at all. */
export interface FileLock {
  readonly mode: string;
  /** ISO 8601. */
  readonly until: string;
}

/** A bucket or a copy of one. Nothing here writes. Throws ArchiveError when it cannot be read. */
export interface Archive {
  /** All files below a folder, in any order. */
  list(folder: string, onUnread: (unread: UnreadPath) => void): AsyncIterable<ArchivedFile>;
  /** A file of the log; null when it is missing. One that is longer than `mostSmallBytes` is cut one byte behind it. */
  read(path: string): Promise<Buffer | null>;
  /** Fills the memory from the start of a file, and counts the bytes that follow. Null when it is missing. */
  readInto(path: string, memory: Buffer): Promise<FilledMemory | null>;
  /** The versions below a folder. Null when the archive keeps none. */
  listVersions: ((folder: string) => AsyncIterable<FileVersion>) | null;
}

/** No file of the log is longer: 256 entries of 65,535 bytes, each with its length. */
export const mostSmallBytes = 256 * (2 + 65_535);

/** The archive could not be read: no verdict is possible. The message is a sentence. */
export class ArchiveError extends Error {
  override readonly name: string = 'ArchiveError';
}

/** One file cannot be read, and others may be: it is archived, encrypted with a foreign key, not permitted, or damaged. */
export class FileRefusedError extends ArchiveError {
  override readonly name = 'FileRefusedError';
}

/** How often a request is tried. */
export const tries = 4;
const firstRetryMs = 500;

/** Waits before the next try. `done`: how many tries there were. */
export async function awaitRetry(done: number): Promise<void> {
  await delay(firstRetryMs * 2 ** (done - 1));
}

/** Whether a file is the path that could not be looked at, or lies in it. */
export function liesIn(unread: string, path: string): boolean {
  return path === unread || path.startsWith(unread.endsWith('/') ? unread : `${unread}/`);
}
