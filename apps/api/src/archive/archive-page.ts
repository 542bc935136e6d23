import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import type { LinesOutcome } from '@auditbox/s3/archived-lines.ts';
import { BrokenLineError } from '@auditbox/s3/split-lines.ts';
import { HttpProblem } from '../http/problem.ts';
import type { ArchivePlace, PlacedBatch } from './archive-ledger.ts';
import type { ArchiveStore } from './archive-store.ts';

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
  readonly match: (line: Buffer) => string | null;
  readonly direction: 'asc' | 'desc';
  readonly after: ArchivePlace | null;
  readonly pageSize: number;
}

/** A part of what the archive has. */
export interface ArchivePage {
  /** Lines of objects, in the order of the archive. */
  readonly lines: readonly string[];
  readonly objects: number;
  readonly bytes: number;
  /** Batches of the range that were passed, because they are not in the archive yet. */
  readonly skipped: number;
  /** Null only after the last object of the range. */
  readonly next: ArchivePlace | null;
}

export interface ArchiveSource {
  /** The next batches, the one at the place included. */
  readonly list: (at: ArchivePlace | null, limit: number) => Promise<readonly PlacedBatch[]>;
  readonly readLines: ArchiveStore['readLines'];
  readonly limits: ArchiveLimits;
  readonly signal: AbortSignal;
}

/**
 * Reads objects one after the other until the page is full or a limit is reached. Memory holds the lines of the page. Each
 * object is read to its end and compared with its hash before a line of it is given out.
 */
export async function readArchivePage(query: ArchiveQuery, source: ArchiveSource): Promise<ArchivePage> {
  const { limits, signal } = source;
  const endAt = performance.now() + limits.ms;
  const lines: string[] = [];
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
      signal.throwIfAborted();
      const taken = createTaker(query, place.line, {
        lines: query.pageSize - lines.length,
        bytes: maxPageBytes - lineBytes,
        isEmpty: lines.length === 0,
      });
      const outcome = await source
        .readLines({ key: object.key, hash: object.sha256 }, taken.onLine, signal)
        .catch((error: unknown) => {
          const isOfLine = error instanceof SyntaxError || error instanceof BrokenLineError;
          throw isOfLine ? damaged(`The object ${object.key} has a line that is not an event.`) : error;
        });
      bytes += requireRead(outcome, object.key).objectBytes;
      objects += 1;
      const { found, more } = taken.result();
      for (const line of found) {
        lines.push(line);
        lineBytes += line.length;
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
  readonly onLine: (bytes: Buffer) => void;
  /** The lines that fit, in the order of the list; and where the next page begins in this object, or null. */
  result(): { readonly found: readonly string[]; readonly more: number | null };
}

/** Keeps the lines of an object that match and fit: the first ones from `line` on, or the last ones before it. */
function createTaker({ match, direction }: ArchiveQuery, line: number | null, room: Room): Taker {
  const kept: { readonly index: number; readonly text: string }[] = [];
  let [index, keptBytes] = [-1, 0];
  let more: number | null = null;
  const isOver = () => kept.length > room.lines || (keptBytes > room.bytes && !(room.isEmpty && kept.length === 1));

  function drop(one: (typeof kept)[number] | undefined): void {
    if (one === undefined) return;
    keptBytes -= one.text.length;
    more = direction === 'asc' ? one.index : one.index + 1;
  }

  return {
    onLine(bytes) {
      index += 1;
      if (direction === 'asc' ? more !== null || index < (line ?? 0) : line !== null && index >= line) return;
      const text = match(bytes);
      if (text === null) return;
      kept.push({ index, text });
      keptBytes += text.length;
      while (isOver()) drop(direction === 'asc' ? kept.pop() : kept.shift());
    },
    result() {
      const found = kept.map(({ text }) => text);
      return { found: direction === 'asc' ? found : found.reverse(), more };
    },
  };
}

function requireRead(outcome: LinesOutcome, key: string) {
  switch (outcome.kind) {
    case 'read':
      return outcome.content;
    case 'missing':
      throw damaged(`The object ${key} is missing in the archive.`);
    case 'altered':
      throw damaged(`The object ${key} does not have the lines that were archived.`);
    case 'error':
      throw new HttpProblem(503, `The archive cannot be read now (${outcome.code}).`, {
        headers: { 'retry-after': '5' },
        code: 'archive-unavailable',
      });
    default:
      return outcome satisfies never;
  }
}

/** No answer without its events: it would look complete. */
function damaged(what: string): HttpProblem {
  return new HttpProblem(500, `${what} Check the archive with \`npm run verify-archive\`.`, {
    code: 'archive-damaged',
  });
}
