import { columnOf } from '@auditbox/core/event/event-columns.ts';
import { createLineMatcher } from '@auditbox/core/event/line-matcher.ts';
import type { TimeRange } from '../bucket/time-range.ts';

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

/** Makes the function that matches a line. */
export function createMatcher(filter: EventFilter): (line: Buffer) => Match | null {
  const { range, objects, tables } = filter;
  // An object is a pair, which is compared afterwards.
  const tablesOfObjects = objects.map(({ table }) => table);
  const match = createLineMatcher({
    ...range,
    members: {
      changed_by: filter.actors,
      table_name: tables.length > 0 ? tables : tablesOfObjects,
      object_id: objects.map(({ id }) => id),
      action: filter.actions,
      tenant: filter.tenants,
      recorded_by: filter.recordedBy,
    },
  });
  return (bytes) => {
    const found = match(bytes);
    if (found === null) return null;
    const text = (name: Parameters<typeof columnOf>[1]) => columnOf(found.row, name) ?? '';
    const [tableName, objectId] = [text('table_name'), text('object_id')];
    if (objects.length > 0 && !objects.some(({ table, id }) => table === tableName && id === objectId)) return null;
    const event = {
      ...{ id: text('id'), updatedAt: text('updated_at'), changedBy: text('changed_by'), action: text('action') },
      ...{ tableName, objectId },
    };
    return { line: found.line, event };
  };
}
