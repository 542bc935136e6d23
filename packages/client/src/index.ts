export { ApiProblem, ApiUnreachableError, isTransient, type ProblemDocument } from './api-problem.ts';
export type { components, operations, paths } from './api-types.ts';
export { type AuditClient, type ClientOptions, createClient } from './audit-client.ts';
export { IncompleteExportError } from './check-export.ts';
export type { CursorStore, PollOptions, PollQuery, RecordedPart } from './poll.ts';
export { checkReceipt, type ReceiptVerdict } from './receipt.ts';
export type {
  AuditEvent,
  BatchReceipt,
  CallOptions,
  EventList,
  ExportQuery,
  ListQuery,
  NewAuditEvent,
  SendOptions,
  WriteOptions,
} from './wire.ts';
