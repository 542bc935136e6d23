import { z } from 'zod';

/** The members of a recorded event, on the wire and in an object. */
export const auditEventFields = {
  id: z.guid(),
  updated_at: z.iso.datetime().describe('When it happened, in UTC, with the digits that were sent, six at most.'),
  changed_by: z.string(),
  changed_by_api_key: z.string(),
  action: z.string(),
  table_name: z.string(),
  object_id: z.string(),
  before_value: z.unknown().describe('Any JSON, as it was written.'),
  updated_values: z.unknown().describe('Any JSON, as it was written.'),
  context: z.record(z.string(), z.unknown()).nullable(),
  recorded_at: z.iso.datetime().describe('When the database recorded it.'),
  recorded_by: z
    .string()
    .describe(
      'Who wrote the event: `key:<id>:<name>`, `sql:<login>`, `api` for its own events; empty if it is not known.',
    ),
  tenant: z.string().optional().describe('Whose event it is.'),
  redacted: z
    .array(z.string())
    .optional()
    .describe('JSON Pointers to the values that were replaced before it was stored.'),
};

export const auditEvent = z.strictObject(auditEventFields).meta({ id: 'AuditEvent', description: 'A recorded event.' });

/** Member of every answer that is a part of a list. */
export const nextCursor = z.string().nullable().describe('The cursor of the next part. Null on the last page.');

/** Member of every answer about many events. */
export const recordBeginsAt = z.iso
  .datetime()
  .nullable()
  .describe(
    'From which event time on the record is whole. Older events were removed by retention and are in the archive. Null if none were removed.',
  );
