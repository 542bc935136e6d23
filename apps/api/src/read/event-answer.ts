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
};

export const auditEvent = z.strictObject(auditEventFields).meta({ id: 'AuditEvent', description: 'A recorded event.' });

/** Member of every answer that is a part of a list. */
export const nextCursor = z.string().nullable().describe('The cursor of the next part. Null on the last page.');
