/** A file of an archive. Its path is relative to the prefix, with `/`. */
export interface ArchivedFile {
  readonly path: string;
  readonly bytes: number;
  /** In ms since 1970. */
  readonly modifiedAt: number;
}

/** A version that a listing shows. */
export type FileVersion =
  | { readonly kind: 'version'; readonly path: string; readonly isLatest: boolean }
  | { readonly kind: 'delete marker'; readonly path: string; readonly isLatest: boolean };

/** How many bytes of the memory are the file's, and how many bytes of the file did not fit. */
export interface FilledMemory {
  readonly kept: number;
  readonly more: number;
}

/** A bucket or a copy of one. Nothing here writes. Throws ArchiveError when it cannot be read. */
export interface Archive {
  /** All files below a folder, in any order. */
  list(folder: string): AsyncIterable<ArchivedFile>;
  /** A file of the log; null when it is missing. One that is longer than `mostSmallBytes` is cut one byte behind it. */
  read(path: string): Promise<Buffer | null>;
  /** Fills the memory from the start of a file, and counts the bytes that follow. Null when it is missing. */
  readInto(path: string, memory: Buffer): Promise<FilledMemory | null>;
  /** Null when the archive keeps no versions, or they cannot be listed. */
  listVersions: (() => AsyncIterable<FileVersion>) | null;
}

/** No file of the log is longer: 256 entries of 65,535 bytes, each with its length. */
export const mostSmallBytes = 256 * (2 + 65_535);

/** The archive could not be read: no verdict is possible. The message is a sentence. */
export class ArchiveError extends Error {
  override readonly name: string = 'ArchiveError';
}

/** One file is refused, and others may be read: it is archived, or encrypted with a key that these credentials may not use. */
export class FileRefusedError extends ArchiveError {
  override readonly name = 'FileRefusedError';
}
