import { z } from 'zod';
import { upperBound } from './event-time.ts';

const dateLength = '2026-07-03'.length;

/**
 * A moment in a JSON body: RFC 3339 with an offset, at most nine digits of a second, from year 1 to 9999. It is read as the time of an
 * event is, and becomes UTC with six digits, which Postgres reads whatever the offset and the second were.
 */
export const instantSchema = z
  .string()
  .meta({ format: 'date-time' })
  .transform((text, { addIssue }) => {
    const instant = text.length > dateLength ? upperBound(text) : null;
    if (instant !== null) return instant;
    addIssue('must be an RFC 3339 time with an offset, from year 1 to 9999');
    return z.NEVER;
  });
