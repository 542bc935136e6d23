import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { counted } from '@auditbox/core/text/counted.ts';
import { HttpProblem } from '../http/problem.ts';
import { type CursorList, printArchiveCursor, readArchiveCursor } from '../read/cursor.ts';
import type { EventReads } from '../read/event-reads.ts';
import { invalid } from '../read/read-query.ts';
import { type ArchivePlace, placeHere } from './archive-ledger.ts';
import { archiveLimits, readArchivePage } from './archive-page.ts';
import type { ArchiveStore } from './archive-store.ts';
import { listRange, printRead } from './list-archive.ts';
import { createEventMatcher } from './match-event.ts';

/** One event, and the part of the archive that is searched for it if the database does not have it. */
export interface ArchivedEventQuery {
  readonly id: string;
  readonly list: CursorList;
  readonly range: { readonly occurredFrom: string; readonly occurredTo: string };
  readonly tenant: TenantScope;
  readonly after: ArchivePlace | null;
}

/** An id that the api made says when the event was recorded. Most events happened in the hour before. */
const [beforeMs, behindMs] = [3_600_000, 300_000];

/** Without bounds the time in the id decides; an id without a time needs them. */
export function readArchivedEventQuery(
  id: string,
  given: {
    readonly start_date?: string | undefined;
    readonly end_date?: string | undefined;
    readonly cursor?: string | undefined;
  },
  tenant: TenantScope,
): Checked<ArchivedEventQuery> {
  const time = timeIn(id);
  const occurredFrom = given.start_date ?? (time === null ? undefined : toInstant(time - beforeMs));
  const occurredTo = given.end_date ?? (time === null ? undefined : toInstant(time + behindMs));
  const because = 'is required together with archive, because the id has no time';
  if (occurredFrom === undefined) return invalid('start_date', because);
  if (occurredTo === undefined) return invalid('end_date', because);
  const range = { occurredFrom, occurredTo };
  const list: CursorList = { filter: { tenant, anyId: id, ...range }, order: { by: 'updated_at', direction: 'asc' } };
  const query = { id, list, range, tenant };
  if (given.cursor === undefined || given.cursor === '') return { ok: true, value: { ...query, after: null } };
  const place = readArchiveCursor(list, given.cursor);
  if ('message' in place) return invalid('cursor', place.message);
  return { ok: true, value: { ...query, after: place.place } };
}

/** The milliseconds since 1970 in a UUID of version 7; null for others. */
function timeIn(id: string): number | null {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null;
}

/** A UUID can name a time that no event has. */
function toInstant(ms: number): string {
  const latest = Date.parse('9999-12-31T23:59:59.999Z');
  return new Date(Math.min(Math.max(ms, 0), latest)).toISOString().replace('Z', '000Z');
}

/**
 * The answer as JSON: the event with its object; or, where the search had to end early, the cursor with which it goes on. Throws
 * a 404 when no object of the range has the event.
 */
export async function findArchivedEvent(
  { id, list, range, tenant, after }: ArchivedEventQuery,
  { readLines, inTurn }: ArchiveStore,
  reads: EventReads,
  signal: AbortSignal,
  limits = archiveLimits,
): Promise<string> {
  const begin = await reads.getRecordBegin();
  const match = createEventMatcher({ tenant, id, ...range });
  const place = after && placeHere(reads.listLedgers(), after);
  const page = await inTurn(() =>
    readArchivePage(
      { match, direction: 'asc', after: place, pageSize: 1 },
      { list: listRange(reads, range, 'asc'), readLines, limits, signal },
    ),
  );
  const [found] = page.lines;
  if (found !== undefined) {
    const { key, sha256, doneAt } = found.object;
    return printArchivedEvent(found.line, { state: 'done', object_key: key, sha256, exported_at: doneAt }, begin);
  }
  if (page.next === null) throw notFound(id, range, page.skipped, begin);
  return JSON.stringify({
    audit_log: null,
    archive: printRead(page),
    record_begins_at: begin,
    next_cursor: printArchiveCursor(list, page.next),
  });
}

/** The event as JSON with where its copy is. */
export function printArchivedEvent(json: string, exported: object, begin: string | null): string {
  return `${json.slice(0, -1)},${JSON.stringify({ export: exported, record_begins_at: begin }).slice(1)}`;
}

function notFound(
  id: string,
  { occurredFrom, occurredTo }: ArchivedEventQuery['range'],
  skipped: number,
  begin: string | null,
): HttpProblem {
  const waiting =
    skipped === 0
      ? ''
      : ` ${counted(skipped, 'batch of this range is', 'batches of this range are')} not in the archive yet.`;
  const record = begin === null ? 'The database has every event.' : `The record in the database begins at ${begin}.`;
  return new HttpProblem(
    404,
    `Audit log with ID ${id} not found: not in the database, and not in the archive from ${occurredFrom} to ${occurredTo}.${waiting} ${record}`,
  );
}
