import type { ErrorClass } from '@auditbox/core/export/error-class.ts';

/** An object ready to be stored. */
export interface SinkObject {
  readonly key: string;
  /** gzip of the NDJSON. */
  readonly body: Buffer;
  readonly rows: number;
  /** Of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /** When the lease was taken, by the database's clock; a retention counts from it. */
  readonly storedAt: string;
}

/** The store's no, and what to do about it. `message` is a sentence for people. */
export interface SinkRefusal {
  readonly kind: 'refused';
  readonly class: ErrorClass;
  readonly code: string;
  readonly message: string;
  /** What the credentials lack, if that is the reason and known. */
  readonly permission?: string | null;
}

/**
 * `exists`: there is an object of this key, by whomever. `doubtful`: the answer was no store's, or the store says that it
 * took other bytes than were sent.
 */
export type PutOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'doubtful' }
  | SinkRefusal;

/** What an object that is there says of itself. */
export type HeadOutcome = ({ readonly kind: 'found' } & ObjectLabel) | { readonly kind: 'missing' } | SinkRefusal;

/** An object's metadata, null where it has none, and its length. */
export interface ObjectLabel {
  readonly sha256: string | null;
  readonly rows: string | null;
  readonly objectBytes: number | null;
}

/** What an object that is there really holds; null if it is no gzip. */
export type ReadOutcome =
  | { readonly kind: 'read'; readonly content: ObjectContent | null }
  | { readonly kind: 'missing' }
  | SinkRefusal;

/** `sha256` is of the uncompressed lines, as 64 hexadecimal digits. */
export interface ObjectContent {
  readonly sha256: string;
  readonly rows: number;
}

/**
 * Whether the bucket takes objects; `conditional` false means that it would overwrite an existing object, `tellsMissing`
 * false that it does not tell a missing object from a forbidden one.
 */
export type ProbeOutcome =
  | {
      readonly kind: 'healthy';
      /** Of the object that the bucket was tried with; it stays there. */
      readonly key: string;
      readonly conditional: boolean;
      readonly tellsMissing: boolean;
    }
  | SinkRefusal;

/** Where objects go. Objects are only ever created: never overwritten, moved, tagged or deleted. */
export interface Sink {
  put(object: SinkObject, signal: AbortSignal): Promise<PutOutcome>;
  head(key: string, signal: AbortSignal): Promise<HeadOutcome>;
  /** Reads the whole object, in flat memory. */
  read(key: string, signal: AbortSignal): Promise<ReadOutcome>;
  /** `storedAt` as in SinkObject. `name` is that of the object to try with; without one it is always the same object. */
  probe(storedAt: string, signal: AbortSignal, name?: string): Promise<ProbeOutcome>;
  close(): void;
}
