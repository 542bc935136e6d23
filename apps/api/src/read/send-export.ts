import { csvHeader } from '@auditbox/core/text/csv-row.ts';
import { giveBack } from '@auditbox/db/database/collect-chunks.ts';
import type { Response } from 'express';
import { gzipBytes, openAnswer } from '../http/compress.ts';
import { writePart } from '../http/json-answer.ts';
import { awaitTurn } from '../http/long-work.ts';
import { type ExportFormat, type ExportSource, partBytes, partsHeld } from './export-source.ts';

const mediaTypes = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8; header=present' };

const usualBytes = partsHeld * partBytes.usual;
/** What every export holds of the memory. */
export const reservedBytes = usualBytes + gzipBytes;

/** The trailers of an export. The second one is a header, too; the third one is only sent for the archive. */
const rowsTrailer = 'auditbox-export-rows';
const beginTrailer = 'auditbox-record-begins-at';
const cursorTrailer = 'auditbox-next-cursor';

/** What the caller asked for. */
export interface ExportForm {
  readonly format: ExportFormat;
  readonly hasClosingLine: boolean;
  readonly hasBom: boolean;
  /** Whether this is not the first part of an export, so that CSV has its header already. */
  readonly isContinued: boolean;
}

interface ExportUses {
  /** Holds more of the memory for answers. */
  readonly hold: (bytes: number) => void;
  readonly getRecordBegin: () => Promise<string | null>;
}

/** Nothing is sent before the first part, so an error until then is a problem document. */
export async function sendParts(
  response: Response,
  { format, hasClosingLine, hasBom, isContinued }: ExportForm,
  source: ExportSource,
  { hold, getRecordBegin }: ExportUses,
): Promise<void> {
  const first = await source.next();
  // Events may be larger than a part. Those that follow are about as large.
  hold(Math.max(0, partsHeld * countBytes(first) - usualBytes));
  const hasTrailers = response.req.httpVersion !== '1.0';
  const isBounded = source.nextCursor !== undefined;
  const body = openAnswer(response, {
    'content-type': mediaTypes[format],
    'content-disposition': `attachment; filename="audit.${format}"`,
    [beginTrailer]: (await getRecordBegin()) ?? 'none',
    ...(hasTrailers && { trailer: [rowsTrailer, beginTrailer, ...(isBounded ? [cursorTrailer] : [])].join(', ') }),
  });
  if (format === 'csv' && !isContinued) body.write(hasBom ? `\ufeff${csvHeader}` : csvHeader);
  for (let part = first; part !== null && !response.destroyed; part = await source.next()) {
    for (const chunk of part) {
      const isTaken = await writePart(response, body, chunk, () => giveBack(chunk));
      if (!isTaken) return;
    }
    await awaitTurn();
  }
  // Read again: a month that retention removed during the export is missing in it.
  const begin = await getRecordBegin();
  const { rows, nextCursor } = source;
  if (hasTrailers)
    response.addTrailers({
      [rowsTrailer]: String(rows),
      [beginTrailer]: begin ?? 'none',
      ...(isBounded && { [cursorTrailer]: nextCursor ?? 'none' }),
    });
  body.end(hasClosingLine ? closingLine(format, rows, begin, nextCursor) : undefined);
}

function countBytes(part: readonly Buffer[] | null): number {
  return (part ?? []).reduce((sum, { length }) => sum + length, 0);
}

/** How an export ends when the caller asked for it: neither line can be an event. */
function closingLine(
  format: ExportFormat,
  rows: number,
  begin: string | null,
  nextCursor: string | null | undefined,
): string {
  const cursor = nextCursor === undefined ? '' : `; next_cursor ${nextCursor ?? 'none'}`;
  if (format === 'csv') return `# ${rows} rows; record_begins_at ${begin ?? 'none'}${cursor}\r\n`;
  // JSON leaves out a member that is undefined.
  return `${JSON.stringify({ export_rows: rows, record_begins_at: begin, next_cursor: nextCursor })}\n`;
}
