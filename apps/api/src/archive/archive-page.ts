import type { MatchedLine } from '@auditbox/core/event/line-matcher.ts';
import type { ArchivedObject } from '@auditbox/db/archive/list-archived-batches.ts';
import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import type { ArchivePlace, PlacedBatch } from './archive-ledger.ts';
import { type ObjectReader, readObject } from './read-object.ts';

/** What a page may cost. At one of them it ends, and its cursor goes on. */
export interface ArchiveLimits {
  readonly objects: number;
  /** Of the objects as they are stored. */
  readonly bytes: number;
  /** No object is begun after this long. */
  readonly ms: number;
}

export const archiveLimits: ArchiveLimits = { objects: 200, bytes: 128 * 1024 * 1024, ms: 5_000 };

/** Batches that are looked up at once. */
const batchesAtOnce = 50;

export interface ArchiveQuery {
  readonly match: (line: Buffer) => MatchedLine | null;
  readonly direction: 'asc' | 'desc';
  readonly after: ArchivePlace | null;
  readonly pageSize: number;
  /** Of the lines of a page. A larger line has a page to itself. */
  readonly pageBytes?: number;
}

/** A line of an object that matches. */
export interface ArchivedLine extends MatchedLine {
  readonly object: ArchivedObject;
}

/** A part of what the archive has. */
export interface ArchivePage {
  /** Lines of objects, in the order of the archive. */
  readonly lines: readonly ArchivedLine[];
  readonly objects: number;
  readonly bytes: number;
  /** Batches of the range that were passed, because they are not in the archive yet. */
  readonly skipped: number;
  /** Null only after the last object of the range. */
  readonly next: ArchivePlace | null;
}

export interface ArchiveSource extends ObjectReader {
  /** The next batches, the one at the place included. */
  readonly list: (at: ArchivePlace | null, limit: number) => Promise<readonly PlacedBatch[]>;
  readonly limits: ArchiveLimits;
}

/**
 * Reads objects one after the other until the page is full or a limit is reached. Memory holds the lines of the page. Each
 * object is read to its end and compared with its hash before a line of it is given out.
 */
export async function readArchivePage(query: ArchiveQuery, source: ArchiveSource): Promise<ArchivePage> {
  const { limits } = source;
  const endAt = performance.now() + limits.ms;
  const lines: ArchivedLine[] = [];
  let [objects, bytes, skipped, lineBytes] = [0, 0, 0, 0];
  const end = (next: ArchivePlace | null): ArchivePage => ({ lines, objects, bytes, skipped, next });
  for (let at = query.after; ; ) {
    const batches = await source.list(at, batchesAtOnce);
    for (const { object, ...batch } of batches) {
      const isFirst = at?.batchId === batch.batchId && at.cell === batch.cell;
      // The batch that the last list ended with.
      if (isFirst && at?.line === passed) continue;
      const place: ArchivePlace = { ...batch, line: isFirst ? (at?.line ?? null) : null };
      // The first batch is always read, so that each page makes progress.
      const isLate = objects >= limits.objects || bytes >= limits.bytes || performance.now() > endAt;
      if (objects + skipped > 0 && (isLate || lines.length >= query.pageSize)) return end(place);
      at = { ...batch, line: passed };
      if (object === null) {
        skipped += 1;
        continue;
      }
      const taken = createTaker(query, place.line, {
        lines: query.pageSize - lines.length,
        bytes: (query.pageBytes ?? maxPageBytes) - lineBytes,
        isEmpty: lines.length === 0,
      });
      bytes += (await readObject(source, object, taken.onLine)).objectBytes;
      objects += 1;
      const { found, more } = taken.result();
      for (const matched of found) {
        lines.push({ ...matched, object });
        lineBytes += Buffer.byteLength(matched.line);
      }
      if (more !== null) return end({ ...batch, line: more });
    }
    if (batches.length < batchesAtOnce) return end(null);
  }
}

/** A place behind every line of a batch. */
const passed = -1;

interface Room {
  readonly lines: number;
  readonly bytes: number;
  /** A line that is larger than a page fills an empty one. */
  readonly isEmpty: boolean;
}

interface Taker {
  readonly onLine: (bytes: Buffer, index: number) => void;
  /** The lines that fit, in the order of the list; and where the next page begins in this object, or null. */
  result(): { readonly found: readonly MatchedLine[]; readonly more: number | null };
}

/** Keeps the lines of an object that match and fit: the first ones from `line` on, or the last ones before it. */
function createTaker({ match, direction }: ArchiveQuery, line: number | null, room: Room): Taker {
  const kept: { readonly index: number; readonly matched: MatchedLine; readonly bytes: number }[] = [];
  let keptBytes = 0;
  let more: number | null = null;
  const isOver = () => kept.length > room.lines || (keptBytes > room.bytes && !(room.isEmpty && kept.length === 1));

  function drop(one: (typeof kept)[number] | undefined): void {
    if (one === undefined) return;
    keptBytes -= one.bytes;
    more = direction === 'asc' ? one.index : one.index + 1;
  }

  return {
    onLine(bytes, index) {
      if (direction === 'asc' ? more !== null || index < (line ?? 0) : line !== null && index >= line) return;
      const matched = match(bytes);
      if (matched === null) return;
      kept.push({ index, matched, bytes: bytes.length });
      keptBytes += bytes.length;
      while (isOver()) drop(direction === 'asc' ? kept.pop() : kept.shift());
    },
    result() {
      const found = kept.map(({ matched }) => matched);
      return { found: direction === 'asc' ? found : found.reverse(), more };
    },
  };
}
