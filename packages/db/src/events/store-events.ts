import type { NewAuditEvent } from '@auditbox/core/audit-event.ts';
import type { Database } from '../connect.ts';
import { databaseFault } from '../database-error.ts';
import { type WrittenEvent, writeAuditEvents } from './write-events.ts';

/**
 * Writes audit events in a transaction of their own; they are on disk when it returns. Otherwise as writeAuditEvents.
 *
 * The same new id sent twice at once makes the later statement fail; by then the first is committed, so trying again
 * finds its event. Once is enough for two callers; the bound is for a crowd.
 */
export async function storeAuditEvents(db: Database, events: readonly NewAuditEvent[]): Promise<WrittenEvent[]> {
  for (let triesLeft = 5; ; triesLeft -= 1) {
    try {
      return await db.answer(() => writeAuditEvents(db.sql, events));
    } catch (error) {
      const raced = databaseFault(error)?.constraint === 'audit_log_pkey';
      if (!raced || triesLeft === 0) throw error;
    }
  }
}
