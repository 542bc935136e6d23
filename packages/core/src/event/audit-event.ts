import type { JsonText } from '../json/json-text.ts';
import type { EventTime } from './event-time.ts';

/** An audit event that passed every check and is not stored yet. `readEvent` makes one from JSON text. */
export interface NewAuditEvent {
  /** Lower-case UUID. When null, the writer makes one. */
  readonly id: string | null;
  /** Event time (`updated_at` on the wire). When null, the database uses its current time. */
  readonly occurredAt: EventTime | null;
  readonly changedBy: string;
  /** When null, the api stores the id of the caller's key; other writers store an empty text. */
  readonly changedByApiKey: string | null;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
  readonly beforeValue: JsonText | null;
  readonly updatedValues: JsonText | null;
  readonly context: JsonText | null;
  /** Whose event it is; empty for an event of no tenant. */
  readonly tenant: string;
}

/** One problem in an input. The path says where: `updated_values.limits[2]`, `[17].action`, or empty for the whole input. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** Most problems that one answer lists. Without a limit, the answer could be larger than the request. */
export const maxProblems = 100;

/** A checked value, or the list of its problems. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Names in a path are the caller's and may be as long as its body, and an answer has up to 100 of them. */
const maxPathLength = 600;

/** Prints a path made of member names and element positions, as `updated_values.limits[2]`. The end of a long one is cut. */
export function printPath(path: readonly PropertyKey[]): string {
  let printed = '';
  for (const part of path) {
    if (typeof part === 'number') printed += `[${part}]`;
    else printed += printed === '' ? String(part) : `.${String(part)}`;
    if (printed.length > maxPathLength) return `${printed.slice(0, maxPathLength).toWellFormed()}…`;
  }
  return printed;
}
