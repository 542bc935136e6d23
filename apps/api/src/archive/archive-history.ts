import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { createObjectHistory, type ObjectHistory } from '@auditbox/core/history/object-states.ts';
import { maxPageBytes } from '@auditbox/db/queries/page-bytes.ts';
import type { Request, Response } from 'express';
import { createJsonAnswer, type JsonAnswer } from '../http/json-answer.ts';
import { createRest } from '../http/long-work.ts';
import {
  type ArchiveHistoryPlace,
  type CursorList,
  printHistoryCursor,
  readHistoryCursor,
  stateEvents,
} from '../read/cursor.ts';
import { invalid } from '../read/read-query.ts';
import { type OrderedLine, readArchiveInOrder } from './archive-in-order.ts';
import { type CellLedger, findObjects, type LineRef, listByTime, placeHere } from './archive-ledger.ts';
import { archiveLimits } from './archive-page.ts';
import { type ArchiveParts, abortWith, printRead, requireArchive } from './list-archive.ts';
import { type ArchiveFilter, createEventMatcher } from './match-event.ts';
import { type ObjectReader, readObject } from './read-object.ts';

/** A history that is read from the archive. */
export interface ArchiveHistoryQuery {
  readonly from: 'archive';
  readonly object: { readonly table_name: string; readonly object_id: string };
  readonly list: CursorList;
  readonly filter: ArchiveFilter;
  readonly place: ArchiveHistoryPlace;
  readonly pageSize: number;
  readonly partial: boolean | null;
}

/** Needs both bounds, as every read of the archive. */
export function readArchiveHistoryQuery(
  history: Pick<ArchiveHistoryQuery, 'object' | 'list' | 'pageSize' | 'partial'>,
  cursor: string | undefined,
): Checked<ArchiveHistoryQuery> {
  const { occurredFrom, occurredTo, ...exact } = history.list.filter;
  if (occurredFrom === undefined) return invalid('start_date', 'is required together with archive');
  if (occurredTo === undefined) return invalid('end_date', 'is required together with archive');
  const query = { ...history, from: 'archive', filter: { ...exact, occurredFrom, occurredTo } } as const;
  if (cursor === undefined || cursor === '')
    return { ok: true, value: { ...query, place: { after: { at: occurredFrom, id: '' }, earlier: [] } } };
  const place = readHistoryCursor(history.list, cursor);
  if ('message' in place) return invalid('cursor', place.message);
  // The cursor is the caller's: it does not lead in front of the range.
  const isInRange = place.after.at >= occurredFrom;
  return isInRange
    ? { ok: true, value: { ...query, place } }
    : invalid('cursor', 'is not a valid cursor of the archive');
}

/** Answers with a part of a history, oldest first, as the database would. */
export async function answerArchiveHistory(
  query: ArchiveHistoryQuery,
  { archive, bytesInFlight, sources }: ArchiveParts,
  request: Request,
  response: Response,
): Promise<void> {
  const { list, filter, place, pageSize } = query;
  const { readLines, inTurn } = requireArchive(archive);
  const reads = await sources.choose(request, response);
  const reader = { readLines, signal: abortWith(response) };
  const match = createEventMatcher(filter);
  const ledgers = reads.listLedgers();
  const refsBefore = place.earlier.map((ref) => placeHere(ledgers, ref));
  const { page, earlier } = await inTurn(async () => ({
    page: await readArchiveInOrder(
      { match, after: place.after, pageSize },
      {
        ...reader,
        batches: listByTime(ledgers, { from: place.after.at, to: filter.occurredTo }),
        limits: archiveLimits,
      },
    ),
    earlier: await readEarlier(ledgers, reader, match, refsBefore),
  }));
  bytesInFlight.hold(response, sum(earlier) + sum(page.lines.map(({ text }) => text)));
  const history = createObjectHistory(query.partial);
  const rest = createRest();
  for (const text of earlier) {
    await rest(text.length);
    history.skip(text);
  }
  const begin = await reads.getRecordBegin();
  const answer = createJsonAnswer(response, bytesInFlight);
  const object = JSON.stringify(query.object).slice(1, -1);
  const sent = await addSteps(answer, `{${object},"audit_logs":[`, page.lines, history);
  if (sent === 'caller left') return;
  const shown = page.lines.slice(0, sent);
  const last = sent < page.lines.length ? shown.at(-1) : undefined;
  const next = last === undefined ? page.next : { at: last.at, id: last.id };
  const refs = [...refsBefore, ...shown].slice(-stateEvents);
  const members = {
    archive: printRead(page),
    record_begins_at: begin,
    next_cursor: next && printHistoryCursor(list, { after: next, earlier: refs }),
  };
  await answer.end(`${sent === 0 ? `{${object},"audit_logs":[` : ''}],${JSON.stringify(members).slice(1)}`);
}

/** How many events are added: all, or those that fit. */
async function addSteps(
  answer: JsonAnswer,
  beginning: string,
  lines: readonly OrderedLine[],
  history: ObjectHistory,
): Promise<number | 'caller left'> {
  const rest = createRest();
  let bytes = 0;
  for (const [index, { text }] of lines.entries()) {
    await rest(text.length);
    const step = history.addChanges(text);
    const stepBytes = Buffer.byteLength(step);
    // A step that is larger than a page has a page to itself.
    if (index > 0 && bytes + stepBytes > maxPageBytes) return index;
    if (!(await answer.add(index === 0 ? beginning : ',', step))) return 'caller left';
    bytes += stepBytes;
  }
  return lines.length;
}

/**
 * The events right before a page, oldest first. Their places come from the cursor, which anybody may have written, so the lines
 * must match as those of the page do.
 */
async function readEarlier(
  ledgers: readonly CellLedger[],
  reader: ObjectReader,
  match: ReturnType<typeof createEventMatcher>,
  refs: readonly LineRef[],
): Promise<readonly string[]> {
  const texts = new Map<string, string>();
  for (const { object, cell, batchId } of await findObjects(ledgers, refs)) {
    const wanted = new Set(refs.filter((ref) => ref.cell === cell && ref.batchId === batchId).map(({ line }) => line));
    await readObject(reader, object, (line, index) => {
      const text = wanted.has(index) ? match(line)?.line : undefined;
      if (text !== undefined) texts.set(keyOf({ cell, batchId, line: index }), text);
    });
  }
  return newest(refs.map((ref) => texts.get(keyOf(ref))).filter((text) => text !== undefined));
}

/** The last texts that have a page's bytes together. */
function newest(texts: readonly string[]): readonly string[] {
  let bytes = 0;
  const first = texts.findLastIndex((text) => {
    bytes += text.length;
    return bytes > maxPageBytes;
  });
  return texts.slice(first + 1);
}

function keyOf({ cell, batchId, line }: LineRef): string {
  return `${cell} ${batchId} ${line}`;
}

function sum(texts: readonly string[]): number {
  return texts.reduce((bytes, { length }) => bytes + length, 0);
}
