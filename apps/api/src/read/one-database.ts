import { listArchiveStates } from '@auditbox/db/events/archive-states.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { countBy } from '@auditbox/db/queries/count-by.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import type { OutboxPlace } from '@auditbox/db/queries/outbox-place.ts';
import { readPageEvents } from '@auditbox/db/queries/page-bytes.ts';
import { getRecordBegin } from '@auditbox/db/queries/record-begin.ts';
import { createPollEnd } from './await-poll-end.ts';
import type { EventReads, Sources } from './event-reads.ts';
import { openExportSource } from './export-source.ts';
import { createFeed } from './feed.ts';
import type { FeedPlace } from './feed-place.ts';
import type { Reader, Readers } from './readers.ts';

/** Reads of one database. */
function readOneDatabase(reader: Reader): EventReads {
  return {
    findEvents: async (query) => findEvents(reader.poolFor(query.filter), query),
    readPageEvents: (events) => readPageEvents(reader.poolFor(), events),
    async locateEvent(id, tenant) {
      const event = await getEvent(reader.poolFor(), id, tenant);
      return event && { event, reader };
    },
    countBy: async (query) => countBy(reader.countPoolFor(query.filter), query),
    getRecordBegin: () => getRecordBegin(reader.poolFor()),
    listArchiveStates: (asked) => listArchiveStates(reader.poolFor(), asked),
    listLedgers: () => [{ name: '', db: reader.poolFor() }],
    openExport: (format, list, options) => openExportSource(reader.poolFor(list.filter), format, list, options),
  };
}

/** Reads of one database and its replica. */
export function createSources(readers: Readers): Sources {
  const feed = createFeed(readers.primary);
  return {
    choose: async (request, response, needs) => readOneDatabase(await readers.choose(request, response, needs)),
    pollEnd: createPollEnd(readers.primary.poolFor()),
    async readFeed({ filter, after, pageSize }) {
      const { events, place, isCaughtUp } = await feed({ filter, after: findPlace(after), pageSize });
      return { events, place: { kind: 'one', after: place }, isCaughtUp };
    },
  };
}

/** The place of the only database. While it gets its name as a cell, other apis give cursors with that name. */
function findPlace(after: FeedPlace | null): OutboxPlace | null {
  if (after?.kind !== 'cells') return after?.after ?? null;
  const [only, ...others] = after.after.values();
  return others.length === 0 ? (only ?? null) : null;
}
