import type { Database } from '@auditbox/db/database/connect.ts';
import { type ExportedPart, exportCsv, exportLines } from '@auditbox/db/queries/export-parts.ts';
import type { CursorList } from './cursor.ts';

export type ExportFormat = 'ndjson' | 'csv';

/**
 * The matching events of an export, in parts. Each part begins after the last event of the part before it, so that no
 * snapshot stays open for hours. Each part is one COPY, whose rows the server counted too.
 */
export interface ExportSource {
  /** The chunks of the next part; null when no event is left. Throws DatabaseError, and the signal's reason. */
  next(): Promise<readonly Buffer[] | null>;
  /** Rows of the parts that `next` returned. */
  readonly rows: number;
  /**
   * Missing: an export that ended is complete. Otherwise where the part after it begins, and null at the end of the whole
   * export.
   */
  readonly nextCursor?: string | null;
}

/** Memory holds two parts of each export: one is sent while the database makes the next one. */
export const partsHeld = 2;
/** The bytes of a part, by whether the export may be fast. A single event may be larger. */
export const partBytes = { usual: 256 * 1024, fast: 4 * 1024 * 1024 } as const;
export const maxRows = 20_000;
/** The first part has few rows, because nothing is known of the size of the events. */
export const firstRows = 100;

const readers = { ndjson: exportLines, csv: exportCsv } as const;

export interface ExportOptions {
  /** Aborting it cancels the statement that runs. */
  readonly signal: AbortSignal;
  /** Asked before each part but the first. */
  readonly mayBeFast: () => boolean;
}

/** The export of one database. */
export function openExportSource(
  db: Database,
  format: ExportFormat,
  { filter, order }: CursorList,
  { signal, mayBeFast }: ExportOptions,
): ExportSource {
  const read = (after: ExportedPart['last'], rows: number, maxBytes: number) => {
    const part = readers[format](db, { filter, order, after, maxRows: rows, maxBytes }, signal);
    // It may fail while the part before it is sent; then `next` throws.
    part.catch(() => {});
    return part;
  };
  let upcoming = read(null, firstRows, partBytes.usual);
  let rows = 0;
  return {
    get rows() {
      return rows;
    },
    async next() {
      const part = await upcoming;
      if (part.last === null) return null;
      const maxBytes = mayBeFast() ? partBytes.fast : partBytes.usual;
      upcoming = read(part.last, estimateRows(part, maxBytes), maxBytes);
      rows += part.rows;
      return part.chunks;
    },
  };
}

/** How many rows fill the next part. The database renders rows that do not fit in vain, so the estimate is a little low. */
function estimateRows({ rows, bytes }: ExportedPart, maxBytes: number): number {
  return Math.min(maxRows, Math.max(1, Math.ceil((rows * 0.95 * maxBytes) / bytes)));
}
