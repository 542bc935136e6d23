import { z } from 'zod';
import type { NewAuditEvent, Problem } from '../event/audit-event.ts';
import { instantSchema } from '../event/instant-schema.ts';
import { isPlainName, plainNameForm } from '../event/plain-name.ts';
import { looksSecret } from '../redact/secret-values.ts';
import { matchesGlob } from '../text/glob.ts';
import { grants } from './scopes.ts';

/*
 * What limits a key beyond its scopes. An empty object limits nothing except that the key cannot name other API keys as the
 * author of a change.
 */

/** Names are stored, logged and shown. */
const isNoSecret = (text: string) => !looksSecret(text);
const secretForm = 'looks like a secret';
const name = z.string().min(1).max(256).refine(isPlainName, plainNameForm).refine(isNoSecret, secretForm);
const patterns = z.array(name).min(1).max(100);
const network = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()],
  'must be an address or a network, such as 10.0.0.0/8',
);

/** The form in which bounds are stored. */
export const keyBoundsSchema = z.strictObject({
  signs_keys: z.boolean().optional().describe('Whether events may name any API key in `changed_by_api_key`.'),
  changed_by: patterns.optional().describe('Who its events may name as author. `*` stands for any characters.'),
  table_name: patterns.optional().describe('The kinds of objects that its events may be about.'),
  action: patterns.optional().describe('The actions that its events may have.'),
  oldest_event_days: z.int().min(0).max(100_000).optional().describe('How many days ago its events may have happened.'),
  addresses: z.array(network).min(1).max(100).optional().describe('Where its requests may come from.'),
});

export type KeyBounds = z.output<typeof keyBoundsSchema>;

/** A tenant's name. */
export const tenantSchema = z
  .string()
  .min(1)
  .max(128)
  .refine(isPlainName, plainNameForm)
  .refine(isNoSecret, secretForm);

/** A key as a caller asks for it. */
export const newKeySchema = z.strictObject({
  name: name.max(128).describe('What the key is for. No other valid key of the tenant may have it.'),
  scopes: z.array(z.enum(grants as [string, ...string[]])).min(1),
  tenant: tenantSchema.nullish().describe('The only tenant that the key reads and writes. Null: all tenants.'),
  bounds: keyBoundsSchema.optional(),
  expires_at: instantSchema.nullish().describe('Null: never, or when your key expires.'),
});

/** The characters of all patterns that an event is compared with. */
export function countPatterns({ changed_by = [], table_name = [], action = [] }: KeyBounds): number {
  let length = 0;
  for (const patterns of [changed_by, table_name, action]) for (const pattern of patterns) length += pattern.length;
  return length;
}

/** How the events of a key break its bounds: the first problem of each field. */
export function findBoundsProblems(
  bounds: KeyBounds,
  keyId: string,
  { changedBy, changedByApiKey, tableName, action }: NewAuditEvent,
): Problem[] {
  const problems: Problem[] = [];
  const check = (path: string, allowed: readonly string[] | undefined, value: string) => {
    if (allowed !== undefined && !allowed.some((pattern) => matchesGlob(pattern, value)))
      problems.push({ path, message: 'is not among the values that this key may write' });
  };
  check('changed_by', bounds.changed_by, changedBy);
  check('table_name', bounds.table_name, tableName);
  check('action', bounds.action, action);
  const namesAnother = changedByApiKey !== null && changedByApiKey !== '' && changedByApiKey !== keyId;
  if (namesAnother && bounds.signs_keys !== true)
    problems.push({ path: 'changed_by_api_key', message: 'may not be given by this key, except as its own id' });
  return problems;
}
