import { z } from 'zod';
import { auditEvent } from '../audit-event.ts';

const audit_logs = z.array(auditEvent);
const page_size = z.int();

const numberedPage = z
  .strictObject({
    audit_logs,
    total: z.int().describe('How many events match; no more are counted than AUDIT_TOTAL_MAX.'),
    page: z.int(),
    page_size,
    total_pages: z.int(),
    total_is_exact: z.boolean().describe('False when more match than are counted.'),
    next_cursor: z.string().nullable().describe('Where to go on; null on the last page.'),
  })
  .meta({ id: 'NumberedPage', description: 'A page by its number.' });

const cursorPage = z
  .strictObject({
    audit_logs,
    page_size,
    next_cursor: z.string().nullable().describe('Where to go on; null on the last page.'),
  })
  .meta({ id: 'CursorPage', description: 'What comes behind a cursor.' });

const recordedPage = z
  .strictObject({
    audit_logs,
    page_size,
    recorded_until: z.iso
      .datetime()
      .describe('What was recorded before this is here or was; nothing else will appear.'),
    next_cursor: z
      .string()
      .nullable()
      .describe('Where to go on, now or later, beside the same `recorded_after`; null before the first event.'),
  })
  .meta({ id: 'RecordedPage', description: 'What was recorded after `recorded_after`, in the order of recording.' });

/** What `GET /audit` answers: with `recorded_after`, with `cursor`, or by `page`. */
export const eventList = z.union([numberedPage, cursorPage, recordedPage]).meta({ id: 'EventList' });
