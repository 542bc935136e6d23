import type { JsonText } from '../json/json-text.ts';
import type { EventTime } from './event-time.ts';

/** An audit event that passed every check and is not stored yet. `readEvent` makes one from JSON text. */
export interface NewAuditEvent {
  /** Lower-case UUID; null when the writer shall make one. */
  readonly id: string | null;
  /** Event time (`updated_at` on the wire); null means the database's now. */
  readonly occurredAt: EventTime | null;
  readonly changedBy: string;
  /** Null when the caller gave none: the api then files the hash of the caller's key, other writers an empty text. */
  readonly changedByApiKey: string | null;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
  readonly beforeValue: JsonText | null;
  readonly updatedValues: JsonText | null;
  readonly context: JsonText | null;
}

/** One thing that is wrong with an input, and where: `updated_values.limits[2]`, `[17].action`, or empty for all of it. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** Nobody mends more at once, and an answer must not be larger than the request. */
export const maxProblems = 100;

/** A checked value, or everything that is wrong with it. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What a path is made of: names of members and positions of elements. */
export function printPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((printed, part) => {
    if (typeof part === 'number') return `${printed}[${part}]`;
    return printed === '' ? String(part) : `${printed}.${String(part)}`;
  }, '');
}
