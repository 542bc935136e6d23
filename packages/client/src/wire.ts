import type { components, operations } from './api-types.ts';

/** An event to record. */
export type NewAuditEvent = components['schemas']['NewAuditEvent'];
/** A recorded event. */
export type AuditEvent = components['schemas']['AuditEvent'];
/** A page of the matching events. */
export type EventList = components['schemas']['EventList'];
/** The result of storing a batch. */
export type BatchReceipt = components['schemas']['BatchReceipt'];
/** Filters and position of a list. */
export type ListQuery = NonNullable<operations['listEvents']['parameters']['query']>;
/** Filters and format of an export. */
export type ExportQuery = NonNullable<operations['exportEvents']['parameters']['query']>;

/** Options of every call. */
export interface SendOptions {
  /** Ends the call, its retries and its waits. */
  readonly signal?: AbortSignal;
  /** How long this call sends again when the api is not reached, fails or asks for it. 0: never. Default: that of the client. */
  readonly retryForMs?: number;
}

/** Options of a read. */
export interface CallOptions extends SendOptions {
  /** Read from the primary, so that all acknowledged events are visible even when reads normally use a replica. */
  readonly readPrimary?: boolean;
}

/** Options of a write. */
export interface WriteOptions extends SendOptions {
  /**
   * Sent as `Idempotency-Key`. The api makes the ids from it, so a program that calls again with the same key and the same
   * events stores nothing twice, also after a restart. Without it each event gets a new id for this call.
   */
  readonly idempotencyKey?: string;
}
