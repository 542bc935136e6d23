import type { ExportState } from '@auditbox/core/export/batch.ts';
import { z } from 'zod';
import { auditEventFields } from '../audit-event.ts';

const exportStates = {
  pending: 'pending',
  sealed: 'sealed',
  uploading: 'uploading',
  done: 'done',
  failed: 'failed',
  quarantined: 'quarantined',
} as const satisfies { [State in ExportState]: State };

/** What `GET /audit/:id` answers: an event, and where its archived copy is. */
export const exportedEvent = z
  .strictObject({
    ...auditEventFields,
    export: z
      .strictObject({
        state: z.enum(exportStates),
        object_key: z.string().nullable(),
        sha256: z.string().nullable().describe('Of the uncompressed NDJSON.'),
        exported_at: z.iso.datetime().nullable(),
      })
      .describe('Where the archived copy is; its key, hash and time are null until it is there.'),
  })
  .meta({ id: 'ExportedEvent', description: 'A recorded event, and where its archived copy is.' });
