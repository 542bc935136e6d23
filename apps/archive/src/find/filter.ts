import { isWithin, type TimeRange } from '../bucket/time-range.ts';
import { toRow } from '../parquet/columns.ts';

/** What `find` looks for. Every part that is given must match; of several values of one part, one must match. */
export interface EventFilter {
  readonly range: TimeRange;
  readonly actors: readonly string[];
  readonly tables: readonly string[];
  readonly objects: readonly ObjectName[];
  readonly actions: readonly string[];
  readonly tenants: readonly string[];
  readonly recordedBy: readonly string[];
}

export interface ObjectName {
  readonly table: string;
  readonly id: string;
}

/** A line that matches, and its members. */
export interface Match {
  readonly line: string;
  readonly event: ShownEvent;
}

export interface ShownEvent {
  readonly id: string;
  readonly updatedAt: string;
  readonly changedBy: string;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
}

/** Makes the function that matches a line. Most lines are rejected by their bytes, without being decoded. */
export function createMatcher(filter: EventFilter): (line: Buffer) => Match | null {
  const needles = [
    toNeedles('changed_by', filter.actors),
    toNeedles('table_name', filter.tables),
    toNeedles(
      'table_name',
      filter.objects.map(({ table }) => table),
    ),
    toNeedles(
      'object_id',
      filter.objects.map(({ id }) => id),
    ),
    toNeedles('action', filter.actions),
    toNeedles('tenant', filter.tenants),
    toNeedles('recorded_by', filter.recordedBy),
  ].filter((any) => any.length > 0);

  return (bytes) => {
    if (!needles.every((any) => any.some((needle) => bytes.includes(needle)))) return null;
    const line = bytes.toString();
    const row = toRow(line);
    const [id = '', updatedAt = '', changedBy = '', , action = '', tableName = '', objectId = ''] = row.map(
      (text) => text ?? '',
    );
    const [recordedBy, tenant] = [row[11] ?? '', row[12] ?? ''];
    const matches =
      isAny(filter.actors, changedBy) &&
      isAny(filter.tables, tableName) &&
      isAny(filter.actions, action) &&
      isAny(filter.tenants, tenant) &&
      isAny(filter.recordedBy, recordedBy) &&
      (filter.objects.length === 0 || filter.objects.some(({ table, id }) => table === tableName && id === objectId)) &&
      isWithin(filter.range, withMicroseconds(updatedAt));
    return matches ? { line, event: { id, updatedAt, changedBy, action, tableName, objectId } } : null;
  };
}

/** The member as Postgres writes it. A value inside of `before_value` may look the same, so the row is compared afterwards. */
function toNeedles(name: string, values: readonly string[]): Buffer[] {
  return values.map((value) => Buffer.from(`"${name}":${JSON.stringify(value)}`));
}

function isAny(wanted: readonly string[], value: string): boolean {
  return wanted.length === 0 || wanted.includes(value);
}

/** So that the order of texts is the order of times. */
function withMicroseconds(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}
