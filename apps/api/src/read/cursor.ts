import { createHash } from 'node:crypto';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { columnType, type EventOrder, type EventPosition, sortKeys } from '@auditbox/db/queries/event-order.ts';
import type { OutboxPlace } from '@auditbox/db/queries/outbox-place.ts';
import { z } from 'zod';
import type { TimePlace } from '../archive/archive-in-order.ts';
import type { ArchivePlace, LineRef } from '../archive/archive-ledger.ts';
import type { FeedPlace } from './feed-place.ts';

/*
 * A cursor is a position in a list, in base64url. It holds the hash of its list's filters and order, because a list with
 * other filters would leave events out.
 */

/** The list that a cursor belongs to. */
export interface CursorList {
  readonly filter: EventFilter;
  readonly order: EventOrder;
}

const tokenSchema = z.tuple([z.literal(1), z.string(), z.array(z.string())]);
const partForm = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  timestamptz: /^(?!0000)\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3])(:[0-5]\d){2}\.\d{6}Z$/,
  text: /^[^\0]*$/,
} as const;

export function printCursor(list: CursorList, position: EventPosition): string {
  return Buffer.from(JSON.stringify([1, fingerprint(list), position])).toString('base64url');
}

/** The position in a cursor, or the mistake in it. */
export function readCursor(list: CursorList, cursor: string): { position: EventPosition } | { message: string } {
  const token = tokenSchema.safeParse(parseToken(cursor));
  if (!token.success) return { message: 'is not a valid cursor' };
  const [, hash, position] = token.data;
  if (hash !== fingerprint(list)) return { message: 'belongs to a list with other filters or another order' };
  const columns = sortKeys[list.order.by];
  const isPosition =
    position.length === columns.length &&
    columns.every((column, index) => isPart(columnType(column), position[index] as string));
  return isPosition ? { position } : { message: 'is not a valid cursor' };
}

const outboxId = z.string().regex(/^(0|[1-9]\d{0,17})$/);
/** Outbox ids, of which Citus may have several. */
const outboxPlace = z.string().regex(/^(0|[1-9]\d{0,17})(,[1-9]\d{0,17}){0,31}$/);
const feedTokenSchema = z.union([
  z.tuple([z.literal(2), z.string(), outboxPlace]),
  z.tuple([z.literal(3), z.string(), z.record(z.string(), outboxPlace)]),
]);
const printPlace = (place: OutboxPlace) => place.join();
const readPlace = (text: string): OutboxPlace => text.split(',').map(BigInt);

/** The cursor of a feed: a place in the outbox, or one for each cell. */
export function printFeedCursor(list: CursorList, place: FeedPlace): string {
  const parts =
    place.kind === 'one'
      ? [2, fingerprint(list), printPlace(place.after)]
      : [
          3,
          fingerprint(list),
          Object.fromEntries(Array.from(place.after, ([name, after]) => [name, printPlace(after)])),
        ];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The place in the cursor of a feed, or the mistake in it. */
export function readFeedCursor(list: CursorList, cursor: string): { after: FeedPlace } | { message: string } {
  const token = feedTokenSchema.safeParse(parseToken(cursor));
  if (!token.success) return { message: 'is not a valid cursor' };
  const [, hash, after] = token.data;
  if (hash !== fingerprint(list)) return { message: 'belongs to a list with other filters or another order' };
  if (typeof after === 'string') return { after: { kind: 'one', after: readPlace(after) } };
  return {
    after: { kind: 'cells', after: new Map(Object.entries(after).map(([name, place]) => [name, readPlace(place)])) },
  };
}

const archiveTokenSchema = z.tuple([
  z.literal(4),
  z.string(),
  z.string().regex(/^\d{4}-\d\d-\d\d(T\d\d)?$/),
  z.string().max(32),
  outboxId,
  z.int().min(0).nullable(),
]);

/** The cursor of a read of the archive: a batch, and a line of its object. */
export function printArchiveCursor(list: CursorList, { partition, cell, batchId, line }: ArchivePlace): string {
  return Buffer.from(JSON.stringify([4, fingerprint(list), partition, cell, batchId, line])).toString('base64url');
}

/** The place in the cursor of a read of the archive, or the mistake in it. */
export function readArchiveCursor(list: CursorList, cursor: string): { place: ArchivePlace } | { message: string } {
  const token = archiveTokenSchema.safeParse(parseToken(cursor));
  if (!token.success) return { message: 'is not a valid cursor of the archive' };
  const [, hash, partition, cell, batchId, line] = token.data;
  if (hash !== fingerprint(list)) return { message: 'belongs to a list with other filters or another order' };
  return { place: { partition, cell, batchId, line } };
}

/** The state before a page of a history is made of this many events at most. */
export const stateEvents = 20;

const cellName = z.string().max(32);
const historyTokenSchema = z.tuple([
  z.literal(5),
  z.string(),
  z.string().regex(partForm.timestamptz),
  z.string().regex(/^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/),
  z.array(z.tuple([cellName, outboxId, z.int().min(0)])).max(stateEvents),
]);

/** Where a history in the archive goes on, and the lines of the events right before it, oldest first. */
export interface ArchiveHistoryPlace {
  readonly after: TimePlace;
  readonly earlier: readonly LineRef[];
}

/** The cursor of a history in the archive. */
export function printHistoryCursor(list: CursorList, { after, earlier }: ArchiveHistoryPlace): string {
  const refs = earlier.map(({ cell, batchId, line }) => [cell, batchId, line]);
  return Buffer.from(JSON.stringify([5, fingerprint(list), after.at, after.id, refs])).toString('base64url');
}

/** The place in the cursor of a history in the archive, or the mistake in it. */
export function readHistoryCursor(list: CursorList, cursor: string): ArchiveHistoryPlace | { message: string } {
  const token = historyTokenSchema.safeParse(parseToken(cursor));
  if (!token.success || !isRealDay(token.data[2].slice(0, 10)))
    return { message: 'is not a valid cursor of the archive' };
  const [, hash, at, id, refs] = token.data;
  if (hash !== fingerprint(list)) return { message: 'belongs to a list with other filters or another order' };
  return { after: { at, id }, earlier: refs.map(([cell, batchId, line]) => ({ cell, batchId, line })) };
}

function fingerprint({ filter, order }: CursorList): string {
  // Cursors from before there were tenants stay valid.
  const tenant = filter.tenant.kind === 'all' ? undefined : filter.tenant.tenant;
  const text = JSON.stringify([{ ...filter, tenant }, order.by, order.direction]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

function parseToken(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

/** Whether a column of this type can have the value. A text may look like a time, so only times are checked for their day. */
function isPart(type: keyof typeof partForm, part: string): boolean {
  return partForm[type].test(part) && (type !== 'timestamptz' || isRealDay(part.slice(0, 10)));
}

/** False for a day that does not exist, such as 30 February. */
function isRealDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
}
