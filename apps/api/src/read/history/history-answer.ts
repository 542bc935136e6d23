import { z } from 'zod';
import { auditEventFields } from '../audit-event.ts';

const operation = z
  .union([
    z.strictObject({ op: z.enum(['add', 'replace']), path: z.string(), value: z.unknown() }),
    z.strictObject({ op: z.literal('remove'), path: z.string() }),
  ])
  .meta({ id: 'PatchOperation', description: 'A step of a JSON Patch (RFC 6902).' });

const historyStep = z
  .strictObject({
    ...auditEventFields,
    changes: z
      .array(operation)
      .nullable()
      .describe('What the event changed, as a JSON Patch; null when its values are too large for one.'),
  })
  .meta({ id: 'HistoryStep', description: 'A recorded event, and what it changed.' });

/** What `GET /audit/objects/:table_name/:object_id` answers. */
export const objectHistory = z
  .strictObject({
    table_name: z.string(),
    object_id: z.string(),
    audit_logs: z.array(historyStep).describe('Oldest first.'),
    next_cursor: z.string().nullable().describe('Where to go on; null on the last page.'),
  })
  .meta({ id: 'ObjectHistory' });
