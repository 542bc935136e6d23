import type { EventFilter, ValueAt } from '@auditbox/db/queries/event-filter.ts';
import type { z } from 'zod';
import type { filterParameters } from './parameters.ts';

type FilterParameters = z.output<z.ZodObject<ReturnType<typeof filterParameters>>>;

/** The parameters under the names of the database layer. */
export function toFilter(named: FilterParameters, values: readonly ValueAt[]): EventFilter {
  return {
    changedBy: named.changed_by,
    changedByPrefix: named.changed_by_prefix,
    changedByApiKey: named.changed_by_api_key,
    action: named.action,
    tableName: named.table_name,
    objectId: named.object_id,
    occurredFrom: named.start_date,
    occurredTo: named.end_date,
    teamId: named.object_team_id,
    keyHash: named.object_key_hash,
    anyId: named.search,
    words: named.q,
    values,
  };
}
