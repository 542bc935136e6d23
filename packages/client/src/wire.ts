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

/** Options of a read. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Read from the primary, so that all acknowledged events are visible even when reads normally use a replica. */
  readonly readPrimary?: boolean;
}
