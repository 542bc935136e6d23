import { columnOf, type EventRow } from '@auditbox/core/event/event-columns.ts';
import { createLineMatcher, type MatchedLine } from '@auditbox/core/event/line-matcher.ts';
import { jsonInText } from '@auditbox/core/json/json-in-text.ts';
import { objectMembers } from '@auditbox/core/json/json-text.ts';
import { anyCase } from '@auditbox/core/text/any-case.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';

/** A filter that lines of objects can be matched with: everything but words and places in values. */
export type ArchiveFilter = Omit<EventFilter, 'words' | 'values' | 'recordedAfter' | 'occurredBefore'> & {
  readonly occurredFrom: string;
  readonly occurredTo: string;
  /** The id of one event. */
  readonly id?: string | undefined;
};

/**
 * Makes the function that matches a line of an object as Postgres matches the row; A caller that is bound to a tenant
 * gets the lines of the tenant alone.
 */
export function createEventMatcher(filter: ArchiveFilter): (bytes: Buffer) => MatchedLine | null {
  const { tenant, changedByPrefix: prefix, changedByAnyCase, teamId, keyHash, anyId } = filter;
  const inAnyCase = changedByAnyCase === undefined ? undefined : new RegExp(anyCase(changedByAnyCase), 'u');
  const match = createLineMatcher({
    from: filter.occurredFrom,
    to: filter.occurredTo,
    members: {
      id: filter.id === undefined ? [] : [filter.id],
      changed_by: filter.changedBy ?? [],
      changed_by_api_key: filter.changedByApiKey ?? [],
      action: filter.action ?? [],
      table_name: filter.tableName ?? [],
      object_id: filter.objectId ?? [],
      recorded_by: filter.recordedBy ?? [],
      tenant: tenant.kind === 'one' ? [tenant.tenant] : [],
    },
  });
  return (bytes) => {
    const found = match(bytes);
    if (found === null) return null;
    const { row } = found;
    const matches =
      (prefix === undefined || (columnOf(row, 'changed_by') ?? '').startsWith(prefix)) &&
      (inAnyCase === undefined || inAnyCase.test(columnOf(row, 'changed_by') ?? '')) &&
      (teamId === undefined || hasMember(row, 'team_id', teamId)) &&
      (keyHash === undefined || hasMember(row, 'token', keyHash)) &&
      (anyId === undefined || hasId(row, anyId));
    return matches ? found : null;
  };
}

function hasId(row: EventRow, id: string): boolean {
  const columns = ['object_id', 'changed_by', 'changed_by_api_key'] as const;
  return (
    columns.some((name) => columnOf(row, name) === id) || hasMember(row, 'team_id', id) || hasMember(row, 'token', id)
  );
}

/** Whether a member at the top of one of the two values is this text, as the indexes of audit_log have it. */
function hasMember(row: EventRow, name: string, wanted: string): boolean {
  return [columnOf(row, 'before_value'), columnOf(row, 'updated_values')].some(
    (value) => value !== null && readMember(value, name) === wanted,
  );
}

/** As `->>` of Postgres: the text of a string, and any other value as its JSON. The last of several members counts. */
function readMember(value: string, name: string): string | null {
  // As Postgres does: a name that is written with escapes is not found.
  if (!value.includes(name)) return null;
  const json = jsonInText(value) ?? value;
  if (!json.startsWith('{') || !json.includes(`"${name}"`)) return null;
  const member = objectMembers(json).findLast((one) => one.name === name);
  if (member === undefined) return null;
  const text = json.slice(member.value.start, member.value.end);
  if (text === 'null') return null;
  return text.startsWith('"') ? JSON.parse(text) : text;
}
