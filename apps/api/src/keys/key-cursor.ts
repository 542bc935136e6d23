import { parseEventTime } from '@auditbox/core/event/event-time.ts';
import type { KeyPlace } from '@auditbox/db/keys/find-keys.ts';
import { z } from 'zod';

const isTime = (text: string) => text.length === 27 && parseEventTime(text)?.utc === text;
const tokenSchema = z.tuple([z.string().refine(isTime), z.guid(), z.string().max(32).optional()]);

/** A place in the list of keys, in base64url. */
export function printKeyCursor({ createdAt, rowId, cell }: KeyPlace): string {
  const parts = cell === undefined ? [createdAt, rowId] : [createdAt, rowId, cell];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The place in a cursor, or the mistake in it. */
export function readKeyCursor(cursor: string): { readonly place: KeyPlace } | { readonly message: string } {
  const token = tokenSchema.safeParse(parse(cursor));
  if (!token.success) return { message: 'is not a valid cursor' };
  const [createdAt, rowId, cell] = token.data;
  return { place: { createdAt, rowId, ...(cell !== undefined && { cell }) } };
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}
