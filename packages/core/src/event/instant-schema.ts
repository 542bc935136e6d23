import { z } from 'zod';
import { upperBound } from './event-time.ts';

/** Postgres knows offsets of less than 16 hours. */
const largeOffset = /[+-](?:1[6-9]|2\d):\d\d$/;

/** A moment in a JSON body, RFC 3339, that the database can read. It has no year 0, and at most nine digits of a second. */
export const instantSchema = z.iso
  .datetime({ offset: true })
  .refine((text) => upperBound(text) !== null && !largeOffset.test(text), 'is not a time that can be stored');
