import type { RunSteps, Steps } from '@auditbox/core/steps.ts';
import type { Database } from '../database/connect.ts';
import type { IdentifiedEvent } from './event-record.ts';
import { AuditConflictError, FutureEventError } from './event-refused-error.ts';
import { conflictMessage, isRepeated, type StoredContent } from './repeated-event.ts';
import { findTaken } from './where-taken.ts';

type Found = Omit<StoredContent, 'json'> & { readonly id: string; readonly json: string | null };

/**
 * Throws what would refuse one of the events: AuditConflictError and FutureEventError, with its index. Nothing is written.
 * The insert checks the same again, because this is only for writers that must know before they write elsewhere.
 *
 * Caller: the api, for a batch whose ids are of several cells.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function checkEvents(db: Database, events: readonly IdentifiedEvent[], run: RunSteps): Promise<void> {
  const ids = JSON.stringify(events.map(({ id }) => id));
  const [taken, [clock]] = await Promise.all([
    db.query((sql) =>
      sql.unsafe<Found[]>(findTaken, [ids], {
        prepare: true,
      }),
    ),
    db.query(
      (sql) => sql<[{ latest: string }]>`
        select to_char((clock_timestamp() + interval '5 minutes') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as latest`,
    ),
  ]);
  await run(checkAll(events, new Map(taken.map((row) => [row.id, row])), clock.latest));
}

function* checkAll(events: readonly IdentifiedEvent[], found: ReadonlyMap<string, Found>, latest: string): Steps<void> {
  for (const [index, event] of events.entries()) {
    yield;
    const { json, ...stored } = found.get(event.id) ?? { json: undefined };
    if (json === undefined) {
      // Only a time that is surely too late: the insert looks at the clock again.
      if (event.occurredAt !== null && event.occurredAt.utc > latest) throw new FutureEventError(index, {});
    } else if (json === null || !(yield* isRepeated(event, { ...(stored as Omit<StoredContent, 'json'>), json })))
      throw new AuditConflictError(index, conflictMessage(event.id));
  }
}
