import { grants } from '@auditbox/core/keys/scopes.ts';
import type { StoredKey } from '@auditbox/db/keys/find-keys.ts';
import { z } from 'zod';

export const shownKey = z
  .strictObject({
    id: z.guid().describe('Stays the same when the key is rotated. Events of the key have it in `recorded_by`.'),
    name: z.string(),
    prefix: z.string().describe('The first characters of the key.'),
    scopes: z.array(z.enum(grants as [string, ...string[]])),
    tenant: z.string().nullable(),
    bounds: z.record(z.string(), z.unknown()),
    created_at: z.string(),
    created_by: z.string(),
    expires_at: z.string().nullable(),
    replaced_at: z.string().nullable().describe('When a rotation gave the key a newer secret.'),
    revoked_at: z.string().nullable(),
    revoked_by: z.string().nullable(),
    last_used_at: z.string().nullable().describe('To the minute.'),
    last_used_address: z.string().nullable(),
  })
  .meta({ id: 'ApiKey', description: 'One secret of a key. The secret itself is never shown again.' });

/** A stored key as `GET /keys` and `npm run keys -- list --json` show it. */
export function showKey(key: StoredKey): z.output<typeof shownKey> {
  return {
    id: key.keyId,
    name: key.name,
    prefix: key.prefix,
    scopes: [...key.scopes],
    tenant: key.tenant,
    bounds: key.bounds,
    created_at: key.createdAt,
    created_by: key.createdBy,
    expires_at: key.expiresAt,
    replaced_at: key.replacedAt,
    revoked_at: key.revokedAt,
    revoked_by: key.revokedBy,
    last_used_at: key.lastUsedAt,
    last_used_address: key.lastUsedAddress,
  };
}
