import type { components, operations } from './api-types.ts';

/** An event to record. */
export type NewAuditEvent = components['schemas']['NewAuditEvent'];
/** A recorded event. */
export type AuditEvent = components['schemas']['AuditEvent'];
/** A part of the matching events. */
export type EventList = components['schemas']['EventList'];
/** What became of a batch. */
export type BatchReceipt = components['schemas']['BatchReceipt'];
/** What to list, and which part of it. */
export type ListQuery = NonNullable<operations['listEvents']['parameters']['query']>;
/** What to export. */
export type ExportQuery = NonNullable<operations['exportEvents']['parameters']['query']>;

/** How to ask. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** See all that was acknowledged before, also where a replica answers reads. */
  readonly readPrimary?: boolean;
}
