import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { columnOf, eventColumns } from '@auditbox/core/event/event-columns.ts';
import { csvRow } from '@auditbox/core/text/csv-row.ts';
import { printArchiveCursor } from '../read/cursor.ts';
import type { EventReads } from '../read/event-reads.ts';
import { type ExportFormat, type ExportSource, maxRows, partBytes } from '../read/export-source.ts';
import { type ArchivePlace, placeHere } from './archive-ledger.ts';
import { type ArchivedLine, type ArchiveLimits, archiveLimits, readArchivePage } from './archive-page.ts';
import type { ArchiveStore } from './archive-store.ts';
import { type ArchiveListQuery, listRange } from './list-archive.ts';
import { createEventMatcher } from './match-event.ts';

/** What an export may cost. Then it ends with a cursor. */
const exportLimits: ArchiveLimits = { objects: 2_000, bytes: 1024 ** 3, ms: 60_000 };

/** An export of objects. Each part is a page of the archive, and waits for its turn as a page does. */
export function openArchiveExport(
  { list, filter, after }: Pick<ArchiveListQuery, 'list' | 'filter' | 'after'>,
  format: ExportFormat,
  {
    archive,
    reads,
    signal,
  }: { readonly archive: ArchiveStore; readonly reads: EventReads; readonly signal: AbortSignal },
  limits = exportLimits,
): ExportSource {
  const match = createEventMatcher(filter);
  const { direction } = list.order;
  const listBatches = listRange(reads, filter, direction);
  const left = { objects: limits.objects, bytes: limits.bytes };
  const endAt = performance.now() + limits.ms;
  let place: ArchivePlace | null = after && placeHere(reads.listLedgers(), after);
  let [rows, isBegun, isOver] = [0, false, false];

  async function readPart(): Promise<readonly ArchivedLine[]> {
    const most = {
      objects: Math.min(left.objects, archiveLimits.objects),
      bytes: Math.min(left.bytes, archiveLimits.bytes),
      ms: Math.min(endAt - performance.now(), archiveLimits.ms),
    };
    const page = await archive.inTurn(() =>
      readArchivePage(
        { match, direction, after: place, pageSize: maxRows, pageBytes: partBytes.fast },
        { list: listBatches, readLines: archive.readLines, limits: most, signal },
      ),
    );
    left.objects -= page.objects;
    left.bytes -= page.bytes;
    place = page.next;
    isBegun = true;
    return page.lines;
  }

  return {
    get rows() {
      return rows;
    },
    get nextCursor() {
      return place && printArchiveCursor(list, place);
    },
    async next() {
      while (!isOver) {
        const isSpent = left.objects <= 0 || left.bytes <= 0 || performance.now() > endAt;
        isOver = isBegun && (place === null || isSpent);
        if (isOver) break;
        const lines = await readPart();
        rows += lines.length;
        if (lines.length > 0) return [Buffer.from(lines.map(forms[format]).join(''))];
      }
      return null;
    },
  };
}

const forms: Readonly<Record<ExportFormat, (matched: ArchivedLine) => string>> = {
  ndjson: ({ line }) => `${line}\n`,
  // A line of no tenant has no such member; in the database its tenant is an empty text.
  csv: ({ row }) => csvRow(eventColumns.map(({ name }) => columnOf(row, name) ?? (name === 'tenant' ? '' : null))),
};

/** Requires what makes the end of a bounded export visible. */
export function requireClosingLine(
  query: Checked<ArchiveListQuery>,
  hasClosingLine: boolean,
): Checked<ArchiveListQuery> {
  const message = 'must be true together with archive: the last line has the cursor with which the export goes on';
  return !query.ok || hasClosingLine ? query : { ok: false, problems: [{ path: 'closing_line', message }] };
}
