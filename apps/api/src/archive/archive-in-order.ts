import { columnOf } from '@auditbox/core/event/event-columns.ts';
import type { MatchedLine } from '@auditbox/core/event/line-matcher.ts';
import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import { HttpProblem } from '../http/problem.ts';
import type { LineRef, PlacedTimedBatch } from './archive-ledger.ts';
import type { ArchiveLimits } from './archive-page.ts';
import { type ObjectReader, readObject } from './read-object.ts';

/** A place in the order of event times: behind the event with this id; an empty id stands before every event of its time. */
export interface TimePlace {
  readonly at: string;
  readonly id: string;
}

export interface OrderedQuery {
  readonly match: (line: Buffer) => MatchedLine | null;
  readonly after: TimePlace;
  readonly pageSize: number;
}

/** An event, and where it is. */
export interface OrderedLine extends TimePlace, LineRef {
  readonly text: string;
}

/** The next events of the archive, oldest first. */
export interface OrderedPage {
  readonly lines: readonly OrderedLine[];
  readonly objects: number;
  /** Of the objects as they are stored. */
  readonly bytes: number;
  /** Batches that were passed, because they are not in the archive yet. */
  readonly skipped: number;
  /** Null only after the last object of the range. */
  readonly next: TimePlace | null;
}

export interface OrderedSource extends ObjectReader {
  /** By the time of their first event. */
  readonly batches: AsyncIterable<PlacedTimedBatch>;
  readonly limits: ArchiveLimits;
}

/** A page that would have no event and no progress may cost this many times as much. */
const patience = 5;

/**
 * Reads objects one after the other and puts their events in order. An event is certain as soon as every object that may have
 * an earlier one was read. So a page ends where it is full, or at the first event of the next object when a limit is reached.
 * Memory holds the events of one page: the earliest that were seen.
 */
export async function readArchiveInOrder(query: OrderedQuery, source: OrderedSource): Promise<OrderedPage> {
  const { limits } = source;
  const startedAt = performance.now();
  const page = createEarliest(query.pageSize, maxPageBytes);
  let [objects, bytes, skipped] = [0, 0, 0];
  const exceeds = (times: number) =>
    objects >= limits.objects * times ||
    bytes >= limits.bytes * times ||
    performance.now() - startedAt > limits.ms * times;
  const end = (lines: readonly OrderedLine[], next: TimePlace | null): OrderedPage => ({
    lines,
    objects,
    bytes,
    skipped,
    next,
  });
  for await (const { object, firstOccurredAt, cell, batchId } of source.batches) {
    const last = page.isFull() ? page.lines.at(-1) : undefined;
    if (last !== undefined && last.at < firstOccurredAt) return end(page.lines, placeOf(last));
    const here = { at: firstOccurredAt, id: '' };
    if (objects > 0 && exceeds(1) && comparePlaces(here, query.after) > 0)
      return end(
        page.lines.filter(({ at }) => at < firstOccurredAt),
        here,
      );
    if (exceeds(patience)) throw tooDense(query.after.at);
    if (object === null) {
      skipped += 1;
      continue;
    }
    const content = await readObject(source, object, (line, index) => {
      const found = query.match(line);
      if (found === null) return;
      const place = { at: found.at, id: columnOf(found.row, 'id') ?? '' };
      if (comparePlaces(place, query.after) > 0) page.add({ ...place, text: found.line, cell, batchId, line: index });
    });
    bytes += content.objectBytes;
    objects += 1;
  }
  const last = page.hasDropped() ? page.lines.at(-1) : undefined;
  return end(page.lines, last === undefined ? null : placeOf(last));
}

interface Earliest {
  readonly lines: readonly OrderedLine[];
  add(line: OrderedLine): void;
  /** Whether a later event than the last one would not be kept. */
  isFull(): boolean;
  /** Whether there were more events than are kept. */
  hasDropped(): boolean;
}

/** Keeps the earliest events that fit. One that is larger than a page is kept alone. */
function createEarliest(mostLines: number, mostBytes: number): Earliest {
  const lines: OrderedLine[] = [];
  let bytes = 0;
  let dropped = false;
  return {
    lines,
    add(line) {
      const later = lines.findLastIndex((one) => comparePlaces(one, line) < 0) + 1;
      // What comes behind a dropped event must not be kept, or the next page would begin behind the dropped one.
      if (dropped && later === lines.length) return;
      lines.splice(later, 0, line);
      bytes += Buffer.byteLength(line.text);
      while (lines.length > mostLines || (bytes > mostBytes && lines.length > 1)) {
        bytes -= Buffer.byteLength(lines.pop()?.text ?? '');
        dropped = true;
      }
    },
    isFull: () => dropped || lines.length >= mostLines,
    hasDropped: () => dropped,
  };
}

export function comparePlaces(a: TimePlace, b: TimePlace): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}

function placeOf({ at, id }: TimePlace): TimePlace {
  return { at, id };
}

function tooDense(at: string): HttpProblem {
  return new HttpProblem(
    422,
    `Too many objects of the archive have events around ${at} to put them in order. Use \`npm run archive -- find\`.`,
    { code: 'archive-too-dense' },
  );
}
