import type { ErrorClass } from '@auditbox/core/error-class.ts';

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
}

/** The store's no, and what to do about it. `message` is a sentence for people. */
export interface SinkRefusal {
  readonly kind: 'refused';
  readonly class: ErrorClass;
  readonly code: string;
  readonly message: string;
}

/** `exists`: there is an object of this key, by whomever; or the answer did not say what happened. */
export type PutOutcome = { readonly kind: 'stored' } | { readonly kind: 'exists' } | SinkRefusal;

/** What an object that is there says of itself. */
export type HeadOutcome =
  | { readonly kind: 'found'; readonly sha256: string | null; readonly rows: string | null }
  | { readonly kind: 'missing' }
  | SinkRefusal;

/**
 * Whether the bucket takes objects; `conditional` false means that it would overwrite an existing object, `tellsMissing`
 * false that it does not tell a missing object from a forbidden one.
 */
export type ProbeOutcome =
  | { readonly kind: 'healthy'; readonly conditional: boolean; readonly tellsMissing: boolean }
  | SinkRefusal;

/** Where objects go. Objects are only ever created: never overwritten, moved, tagged or deleted. */
export interface Sink {
  put(object: SinkObject, signal: AbortSignal): Promise<PutOutcome>;
  head(key: string, signal: AbortSignal): Promise<HeadOutcome>;
  probe(signal: AbortSignal): Promise<ProbeOutcome>;
  close(): void;
}
