import { groups } from '@auditbox/db/queries/count-by.ts';
import { z } from 'zod';

/** What `GET /audit/stats` answers. */
export const eventCounts = z
  .strictObject({
    interval: z.enum(['hour', 'day']),
    group_by: z.enum(groups).nullable(),
    start_date: z.iso.datetime(),
    end_date: z.iso.datetime(),
    total: z.int(),
    counts: z.array(
      z.strictObject({
        start: z.iso.datetime().describe('Where the hour or day begins, in UTC.'),
        group: z.string().nullable().describe('Null without groups, and for the rest of them.'),
        count: z.int(),
      }),
    ),
  })
  .meta({
    id: 'EventCounts',
    description: 'How many events happened in each hour or day; none is left out but empty ones.',
  });
