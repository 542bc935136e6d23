import { lowerBound } from '@auditbox/core/event/event-time.ts';
import { z } from 'zod';
import { formatNames, omissibleFields } from '../formats/format.ts';

const words = z.array(z.string().min(1)).min(1);

/** The words of the api's filters. */
const filter = z.strictObject({
  action: words.optional(),
  table_name: words.optional(),
  object_id: words.optional(),
  changed_by: words.optional(),
});

/** Which history a destination gets: none, all of it, or from a time on. */
const since = z.string().transform((text, context): { readonly since: string | null } | null => {
  if (text === 'now') return null;
  if (text === 'all') return { since: null };
  const time = lowerBound(text);
  if (time !== null) return { since: time };
  context.addIssue({
    code: 'custom',
    message: 'must be now, all, a date (2026-07-03) or an RFC 3339 time with an offset',
  });
  return z.NEVER;
});

/** Keys that every destination has. */
export const commonOptions = {
  /** The ledger's key: another name is another destination. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 lower-case letters, digits and -, beginning with a letter')
    .refine((name) => name !== 's3', 's3 is the destination of the S3_ settings'),
  type: z.string(),
  format: z.enum(formatNames).default('auditbox'),
  only: filter.optional(),
  except: filter.optional(),
  /** Which of these fields are sent; the others are null. */
  fields: z.array(z.enum(omissibleFields)).optional(),
  since: since.default(null),
  /** Whether it waits. Without it, the database decides: `npm run destinations -- pause`. */
  paused: z.boolean().optional(),
  /** Deliveries at once. With 1, batches come in their order. With more, new ones do not wait for a backlog. */
  concurrency: z.int().min(1).max(64).default(1),
  timeoutMs: z.int().min(100).max(600_000).default(30_000),
};
