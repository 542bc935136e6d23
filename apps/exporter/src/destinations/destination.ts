import type { Compression } from '@auditbox/core/export/compression.ts';
import type { ErrorClass } from '@auditbox/core/export/error-class.ts';
import type { ObjectContent } from '@auditbox/s3/read-content.ts';

/** Where objects are delivered. Objects are only created: never overwritten, moved, tagged or deleted. */
export interface Destination {
  /** What every key starts with. */
  readonly prefix: string;
  put(object: DestinationObject, signal: AbortSignal): Promise<PutOutcome>;
  head(key: string, signal: AbortSignal): Promise<HeadOutcome>;
  /** Reads the whole object, in flat memory. `onLines` is given the uncompressed bytes as they come. */
  read(key: string, signal: AbortSignal, onLines?: (part: Buffer) => void): Promise<ReadOutcome>;
  /** Writes a small object. `storedAt` as in DestinationObject; without a `name` it is always the same object. */
  probe(storedAt: string, signal: AbortSignal, name?: string): Promise<ProbeOutcome>;
  close(): void;
}

/** An object ready to be stored. */
export interface DestinationObject {
  readonly key: string;
  /** The compressed NDJSON. */
  readonly body: Buffer;
  readonly compression: Compression;
  readonly rows: number;
  /** Of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /** The root of the tree over the lines; null when the log is off. */
  readonly linesRoot: string | null;
  /** When the lease was acquired, by the database's clock. A retention counts from it. */
  readonly storedAt: string;
}

/** The destination did not do what was requested, and what that means for the export. A value, never thrown. */
export interface DestinationError {
  readonly kind: 'error';
  readonly class: ErrorClass;
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
  /** The permission that the credentials lack, if that is known to be the reason. */
  readonly permission: string | null;
}

/**
 * `exists`: there is an object with this key, perhaps of another writer. `doubtful`: the answer did not come from a store, or the
 * store reports that it received other bytes than were sent.
 */
export type PutOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'doubtful' }
  | DestinationError;

export type HeadOutcome = ({ readonly kind: 'found' } & ObjectLabel) | { readonly kind: 'missing' } | DestinationError;

/** An object's metadata, null where it has none, and its length. */
export interface ObjectLabel {
  readonly sha256: string | null;
  readonly rows: string | null;
  readonly objectBytes: number | null;
}

/** `content` is null for an object that is not compressed as its key says. */
type ReadOutcome =
  | { readonly kind: 'read'; readonly content: ObjectContent | null }
  | { readonly kind: 'missing' }
  | DestinationError;

export type ProbeOutcome =
  | {
      readonly kind: 'healthy';
      /** Of the object that was written; it stays there. */
      readonly key: string;
      /** False when the destination would overwrite an existing object. */
      readonly conditional: boolean;
      /** False when the destination reports a missing object as a forbidden one. */
      readonly reportsMissing: boolean;
    }
  | DestinationError;
