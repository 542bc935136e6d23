import type { Database } from '../database/connect.ts';
import { lacksPartition, makePartitions } from '../months/make-partitions.ts';
import type { TracedEvent } from './event-record.ts';
import { FutureEventError, isTaken } from './event-refused.ts';
import { timesOf } from './times-of.ts';
import { type WrittenEvent, writeAuditEvents } from './write-events.ts';

/**
 * Writes audit events in a transaction of their own; they are on disk when it returns. Otherwise as writeAuditEvents.
 *
 * The same new id sent twice at once makes the later statement fail; by then the first is committed, so trying again
 * finds its event. Once is enough for two callers; the bound is for a crowd. A month that has no partition gets one.
 */
export async function storeAuditEvents(db: Database, events: readonly TracedEvent[]): Promise<WrittenEvent[]> {
  for (let triesLeft = 5; ; triesLeft -= 1) {
    try {
      return await db.query((sql) => writeAuditEvents(sql, events));
    } catch (error) {
      if (triesLeft === 0) throw error;
      if (lacksPartition(error)) {
        const impossible = await makePartitions(db, timesOf(events));
        const refused = FutureEventError.ofMonths(impossible, events, error);
        if (refused) throw refused;
      } else if (!isTaken(error)) throw error;
    }
  }
}
