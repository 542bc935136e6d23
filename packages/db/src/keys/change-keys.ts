import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import type { Database } from '../database/connect.ts';
import { type ChangedBy, printActor } from './changed-by.ts';

/** A new key, without its secret. */
export interface NewKey {
  /** Missing: the database makes one. Cells give a key the same id everywhere. */
  readonly id?: string;
  readonly name: string;
  readonly hash: string;
  readonly prefix: string;
  readonly scopes: readonly Grant[];
  readonly tenant: string | null;
  readonly bounds: KeyBounds;
  /** RFC 3339, or null. */
  readonly expiresAt: string | null;
}

/**
 * Stores a key's hash. The result is the key's id, or null if a valid key of its tenant has its name.
 *
 * Caller: `npm run keys` and `POST /keys`.
 * Locks: the new row.
 * Crash: the key and its event are stored, or neither; the same call again returns null if they are.
 */
export async function createKey(db: Database, key: NewKey, by: ChangedBy | null): Promise<string | null> {
  const { id, name, hash, prefix, scopes, tenant, bounds, expiresAt } = key;
  const values = JSON.stringify({ key_id: id, name, hash, prefix, scopes, tenant, bounds, expires_at: expiresAt });
  const [row] = await db.query(
    (client) => client<[{ id: string | null }]>`
      select auditbox.create_key(${values}::text::json, ${printActor(by)}::text::json)::text as id`,
  );
  return row.id;
}

/**
 * Gives a key a new secret. The old one expires after `overlapS` seconds. False if there is no valid key with this id.
 *
 * Caller: `npm run keys` and `POST /keys/:id/rotate`.
 * Locks: the key's row.
 * Crash: the new secret and its event are stored, or neither.
 */
export async function rotateKey(
  db: Database,
  keyId: string,
  secret: Pick<NewKey, 'hash' | 'prefix'>,
  overlapS: number,
  by: ChangedBy | null,
): Promise<boolean> {
  const [row] = await db.query(
    (client) => client<[{ done: boolean }]>`
      select auditbox.rotate_key(${keyId}::uuid, ${JSON.stringify(secret)}::text::json, ${overlapS}::float8,
        ${printActor(by)}::text::json) as done`,
  );
  return row.done;
}

/**
 * Revokes a key for ever, with all its secrets. False if there is no valid key with this id.
 *
 * Caller: `npm run keys` and `DELETE /keys/:id`.
 * Locks: the key's rows.
 * Crash: the key is revoked and has its event, or neither; the next call continues.
 */
export async function revokeKey(db: Database, keyId: string, by: ChangedBy | null): Promise<boolean> {
  const [row] = await db.query(
    (client) => client<[{ done: boolean }]>`
      select auditbox.revoke_key(${keyId}::uuid, ${printActor(by)}::text::json) as done`,
  );
  return row.done;
}

/** When and from where a secret was used. */
export interface KeyUse {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly address: string;
}

/**
 * Stores when keys were last used.
 *
 * Caller: the api, once a minute for all keys.
 * Locks: the keys' rows.
 * Crash: the last minute is not noted.
 */
export async function noteKeyUse(db: Database, uses: readonly KeyUse[]): Promise<void> {
  await db.query((client) => client`select auditbox.note_key_use(${JSON.stringify(uses)}::text::json)`);
}
