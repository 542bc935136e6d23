import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { HttpProblem } from '../http/problem.ts';

const dayMs = 86_400_000;
const maxDays = 366;

/** Whether no index serves the filter, so that a query reads every event that the other filters leave. */
export function isUnindexed({ values = [], words, changedByAnyCase }: EventFilter, wordsAreIndexed: boolean): boolean {
  return values.length > 0 || changedByAnyCase !== undefined || (words !== undefined && !wordsAreIndexed);
}

/**
 * Throws a 400 unless a time range, or a filter that names objects, bounds how many events a query reads. `nowMs` is in
 * milliseconds since 1970.
 */
export function requireBound(filter: EventFilter, nowMs: number): void {
  const { objectId, anyId, teamId, keyHash, occurredFrom, occurredTo } = filter;
  if (objectId ?? anyId ?? teamId ?? keyHash) return;
  const to = occurredTo === undefined ? nowMs : Date.parse(occurredTo);
  if (occurredFrom !== undefined && to - Date.parse(occurredFrom) <= maxDays * dayMs) return;
  const message =
    occurredFrom === undefined
      ? `is required: no index serves ${describe(filter)}, so it needs start_date, or one of object_id, object_team_id, object_key_hash and search`
      : `must be at most ${maxDays} days before end_date: no index serves ${describe(filter)}`;
  throw new HttpProblem(400, 'Some parameters are invalid.', { errors: [{ path: 'start_date', message }] });
}

function describe({ values = [], changedByAnyCase }: EventFilter): string {
  if (values.length > 0) return 'a filter by a place in values';
  return changedByAnyCase === undefined ? '`q`' : '`changed_by_any_case`';
}
