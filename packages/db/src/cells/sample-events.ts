import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';

export interface SampledEvent {
  readonly id: string;
  /** ISO 8601 in UTC with microseconds. */
  readonly recordedAt: string;
}

/** Hours before now. Among the newest events alone, those of before a change are soon gone. */
const ages = [0, 1, 24, 7 * 24];
/** Callers hardly send older events again. */
const oldest = 8 * 24;
const eventsPerAge = 25;

/**
 * Some events of the last days that an api stored, so that their ids say which cell they belong to. Those that SQL wrote, and those
 * about Auditbox itself, may be in any cell.
 *
 * Caller: the api with several cells, once for each of them.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function sampleEvents(db: Database): Promise<readonly SampledEvent[]> {
  return db.query(
    (sql) => sql<SampledEvent[]>`
      -- On a quiet system the same events are the newest before several of the times.
      select distinct sampled.id::text, ${isoUtc(sql, 'sampled.recorded_at')} as "recordedAt"
      from json_array_elements_text(${JSON.stringify(ages)}::text::json) as age (hours)
      cross join lateral (
        select id, recorded_at, recorded_by, table_name from auditbox.audit_log
        where occurred_at <= statement_timestamp() - make_interval(hours => age.hours::int)
          and occurred_at > statement_timestamp() - make_interval(hours => ${oldest}::int)
        order by occurred_at desc, id desc
        limit ${eventsPerAge}::int
      ) sampled
      where not starts_with(sampled.recorded_by, 'sql:') and not starts_with(sampled.table_name, 'auditbox.')`,
  );
}
