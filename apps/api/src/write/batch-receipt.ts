import { z } from 'zod';

/** What `POST /audit/batch` answers. */
export const batchReceipt = z
  .strictObject({
    created: z.int().describe('How many were stored now.'),
    existing: z.int().describe('How many were there already, with the same content.'),
    ids: z.array(z.guid()).describe('Of all events, in the order given.'),
  })
  .meta({ id: 'BatchReceipt' });
