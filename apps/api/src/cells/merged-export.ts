import { collectChunks } from '@auditbox/db/database/collect-chunks.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { comparePositions } from '@auditbox/db/queries/compare-positions.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { type ExportedRow, exportRows } from '@auditbox/db/queries/export-parts.ts';
import type { CursorList } from '../read/cursor.ts';
import {
  type ExportFormat,
  type ExportOptions,
  type ExportSource,
  firstRows,
  maxRows,
  partBytes,
} from '../read/export-source.ts';

/** The rows of one cell that were read and not yet sent. */
interface CellRows {
  readonly db: Database;
  rows: readonly ExportedRow[];
  /** How many of `rows` were sent. */
  sent: number;
  after: EventPosition | null;
  isOver: boolean;
  /** The mean size of the rows so far; null before the first part. */
  rowBytes: number | null;
}

/** The export of several cells: the rows of all in the order of the list. */
export function openMergedExport(
  cells: readonly Database[],
  format: ExportFormat,
  { filter, order }: CursorList,
  { signal, mayBeFast }: ExportOptions,
): ExportSource {
  const streams = cells.map((db): CellRows => ({ db, rows: [], sent: 0, after: null, isOver: false, rowBytes: null }));
  let isFirst = true;
  let rows = 0;

  async function refill(stream: CellRows, maxBytes: number): Promise<void> {
    if (stream.isOver || stream.sent < stream.rows.length) return;
    // A little less than fills it, because rows that do not fit are rendered in vain.
    const wanted = stream.rowBytes === null ? firstRows : Math.ceil((0.95 * maxBytes) / stream.rowBytes);
    const part = { filter, order, after: stream.after, maxRows: Math.min(maxRows, Math.max(1, wanted)), maxBytes };
    const found = await exportRows(stream.db, format, part, signal);
    stream.rows = found;
    stream.sent = 0;
    stream.after = found.at(-1)?.position ?? stream.after;
    stream.isOver = found.length === 0;
    if (found.length > 0) stream.rowBytes = found.reduce((sum, { text }) => sum + text.length, 0) / found.length;
  }

  /** The next rows of all cells, about `maxBytes`; null at the end. */
  async function makePart(
    maxBytes: number,
  ): Promise<{ readonly chunks: readonly Buffer[]; readonly rows: number } | null> {
    const chunks: Buffer[] = [];
    const collected = collectChunks((chunk) => chunks.push(chunk));
    let bytes = 0;
    let count = 0;
    while (bytes < maxBytes) {
      // The next row is known only while each cell has one, or has none left.
      await Promise.all(streams.map((stream) => refill(stream, Math.ceil(maxBytes / streams.length))));
      const sent = sendRows(streams, order, maxBytes - bytes, collected.add);
      if (sent.rows === 0) break;
      bytes += sent.bytes;
      count += sent.rows;
    }
    collected.flush();
    return count === 0 ? null : { chunks, rows: count };
  }

  function begin() {
    const maxBytes = !isFirst && mayBeFast() ? partBytes.fast : partBytes.usual;
    isFirst = false;
    const part = makePart(maxBytes);
    // It may fail while the part before it is sent; then `next` throws.
    part.catch(() => {});
    return part;
  }

  let upcoming = begin();
  return {
    get rows() {
      return rows;
    },
    async next() {
      const part = await upcoming;
      if (part === null) return null;
      upcoming = begin();
      rows += part.rows;
      return part.chunks;
    },
  };
}

/** Sends rows in order until a cell has no more in memory, or `maxBytes` are sent. */
function sendRows(
  streams: readonly CellRows[],
  order: CursorList['order'],
  maxBytes: number,
  send: (row: Buffer) => void,
): { readonly rows: number; readonly bytes: number } {
  let rows = 0;
  let bytes = 0;
  const isEmpty = ({ rows: held, sent }: CellRows) => sent === held.length;
  while (bytes < maxBytes && !streams.some((stream) => isEmpty(stream) && !stream.isOver)) {
    let first: { readonly stream: CellRows; readonly row: ExportedRow } | null = null;
    for (const stream of streams) {
      const row = stream.rows[stream.sent];
      if (row === undefined) continue;
      if (first === null || comparePositions(order, row.position, first.row.position) < 0) first = { stream, row };
    }
    if (first === null) break;
    send(first.row.text);
    first.stream.sent += 1;
    rows += 1;
    bytes += first.row.text.length;
  }
  return { rows, bytes };
}
