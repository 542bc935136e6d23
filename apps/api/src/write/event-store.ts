import type { Database } from '@auditbox/db/database/connect.ts';
import { type IdentifiedEvent, identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import { type EachOutcome, storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditLines } from '@auditbox/db/events/store-events.ts';
import type { WrittenLine } from '@auditbox/db/events/write-events.ts';
import type { MonthMaker } from '@auditbox/db/months/month-maker.ts';
import { startInPieces } from '../http/long-work.ts';

/** Where events of a batch are stored, whether in one database or in several. */
export interface EventStore {
  /** All events or none, in the order of `events`. Throws what storeAuditLines throws. */
  storeAll(
    events: readonly TracedEvent[],
    options?: { readonly maxNewMonths?: number },
  ): Promise<readonly WrittenLine[]>;
  /** For the events of one request, each by itself. */
  openParts(): PartStore;
}

/** Stores the events of one request, each by itself. */
export interface PartStore {
  /** Gives an event an id unless it has one. */
  identify(event: TracedEvent): IdentifiedEvent;
  /** In the order of `events`, which `identify` has returned. Throws what storeEachEvent throws. */
  storeEach(events: readonly IdentifiedEvent[]): Promise<readonly EachOutcome[]>;
}

/** The store of one database. */
export function createEventStore({ db, months }: { readonly db: Database; readonly months: MonthMaker }): EventStore {
  return {
    storeAll: (events, options) => storeAuditLines(db, events, { ...options, months, run: startInPieces }),
    openParts: () => ({ identify, storeEach: (events) => storeEachEvent(db, events, months, startInPieces) }),
  };
}
