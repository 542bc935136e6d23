import type { Database } from '../database/connect.ts';
import { isMonthMissing, makeMonths } from '../months/make-months.ts';
import { listEventTimes, type TracedEvent } from './event-record.ts';
import { FutureEventError, isIdTaken } from './event-refused-error.ts';
import { type WrittenEvent, writeAuditEvents } from './write-events.ts';

/**
 * Writes audit events in their own transaction; they are on disk when it resolves. Otherwise like writeAuditEvents. It
 * makes missing months.
 *
 * When two callers send the same new id at once, the later statement fails after the first has committed. The retry then
 * finds the event. Two callers need one retry; the limit of five is for more callers.
 */
export async function storeAuditEvents(db: Database, events: readonly TracedEvent[]): Promise<WrittenEvent[]> {
  for (let triesLeft = 5; ; triesLeft -= 1) {
    try {
      return await db.query((sql) => writeAuditEvents(sql, events));
    } catch (error) {
      if (triesLeft === 0) throw error;
      if (isMonthMissing(error)) {
        const impossible = await makeMonths(db, listEventTimes(events));
        const refused = FutureEventError.fromMonths(impossible, events, error);
        if (refused) throw refused;
      } else if (!isIdTaken(error)) throw error;
    }
  }
}
