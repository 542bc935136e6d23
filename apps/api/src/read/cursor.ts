import { createHash } from 'node:crypto';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { columnType, type EventOrder, type EventPosition, sortKeys } from '@auditbox/db/queries/event-order.ts';
import { z } from 'zod';

/*
 * A cursor is a place in a list, in base64url. It names the filters and the order of its list by their hash: with others
 * it would leave events out.
 */

/** What a cursor belongs to. */
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

/** The place that a cursor stands for, or what is wrong with it. */
export function readCursor(list: CursorList, cursor: string): { position: EventPosition } | { message: string } {
  const token = tokenSchema.safeParse(jsonOf(cursor));
  if (!token.success) return { message: 'is not a cursor of ours' };
  const [, of, position] = token.data;
  if (of !== fingerprint(list)) return { message: 'belongs to a list with other filters or another order' };
  const columns = sortKeys[list.order.by];
  const isPosition =
    position.length === columns.length &&
    columns.every(
      (column, index) =>
        partForm[columnType(column)].test(position[index] as string) && isDay(position[index] as string),
    );
  return isPosition ? { position } : { message: 'is not a cursor of ours' };
}

function fingerprint({ filter, order }: CursorList): string {
  const said = JSON.stringify([filter, order.by, order.direction]);
  return createHash('sha256').update(said).digest('base64url').slice(0, 16);
}

function jsonOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

/** False for a text that looks like a time and is none, as 30 February. */
function isDay(part: string): boolean {
  const day = /^\d{4}-\d\d-\d\d(?=T)/.exec(part)?.[0];
  return day === undefined || new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
}
