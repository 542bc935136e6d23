import type { DestinationError } from '../destinations/destination.ts';

/** Where the log's files are published. Files are only created. Paths are relative to the prefix. */
export interface LogStore {
  /**
   * Creates a file, or finds that it is there with these bytes. `storedAt` is the database's clock; a retention counts from it.
   */
  create(path: string, body: Buffer, storedAt: string, signal: AbortSignal): Promise<CreateOutcome>;
  /** The next paths that start with `folder` and sort after `after`, in order: a thousand or so. */
  list(folder: string, after: string, signal: AbortSignal): Promise<ListOutcome>;
  /** A file that is longer than `mostBytes` is cut one byte behind it. */
  read(path: string, signal: AbortSignal, mostBytes?: number): Promise<FileOutcome>;
  /** Whether a file has these bytes. A shorter answer than the store's own length of the file was cut, and is an error. */
  compare(path: string, body: Buffer, signal: AbortSignal): Promise<CompareOutcome>;
  /** What the store says about a file without reading it. It also answers for a file in an archive class. */
  head(path: string, signal: AbortSignal): Promise<HeadOutcome>;
}

type CreateOutcome =
  | { readonly kind: 'created' }
  /** An earlier attempt, or another exporter, created it. */
  | { readonly kind: 'same' }
  | { readonly kind: 'different' }
  | DestinationError;

export type CompareOutcome =
  | { readonly kind: 'same' }
  | { readonly kind: 'different' }
  | { readonly kind: 'missing' }
  | DestinationError;

type ListOutcome =
  | { readonly kind: 'listed'; readonly paths: readonly string[]; readonly isLast: boolean }
  | DestinationError;

export type HeadOutcome =
  /** `note` is the copy of a checkpoint or a key note in its metadata; null without one. */
  | { readonly kind: 'found'; readonly bytes: number | null; readonly note: string | null }
  | { readonly kind: 'missing' }
  | DestinationError;

export type FileOutcome =
  | { readonly kind: 'read'; readonly body: Buffer }
  | { readonly kind: 'missing' }
  | DestinationError;
