import type { JsonText } from '../json/json-text.ts';
import type { EventTime } from './event-time.ts';

/** An audit event that passed every check and is not stored yet. `readEvent` makes one from JSON text. */
export interface NewAuditEvent {
  /** Lower-case UUID. When null, the writer makes one. */
  readonly id: string | null;
  /** Event time (`updated_at` on the wire). When null, the database uses its current time. */
  readonly occurredAt: EventTime | null;
  readonly changedBy: string;
  /** When null, the api stores the hash of the caller's key; other writers store an empty text. */
  readonly changedByApiKey: string | null;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
  readonly beforeValue: JsonText | null;
  readonly updatedValues: JsonText | null;
  readonly context: JsonText | null;
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

/** Prints a path made of member names and element positions, as `updated_values.limits[2]`. */
export function printPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((printed, part) => {
    if (typeof part === 'number') return `${printed}[${part}]`;
    return printed === '' ? String(part) : `${printed}.${String(part)}`;
  }, '');
}
