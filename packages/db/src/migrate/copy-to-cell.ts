import type { Sql } from 'postgres';
import { toDatabaseError } from '../database/database-error.ts';
import { defaultSchema } from '../database/schema-name.ts';
import { MigrationError } from './migration-error.ts';
import { greetAsMigrator, openMigrator } from './migrator.ts';
import { chooseOwner } from './owner.ts';
import { asOwner } from './turns.ts';

/** What all cells have in common. */
export interface CommonRows {
  /** Of content hashes. */
  readonly contentKey: string;
  /** The rows of api_key as a JSON array. */
  readonly keys: string;
}

/**
 * Reads what the other cells get from the first one.
 *
 * Caller: `npm run migrate` with DATABASE_CELLS.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readCommonRows(url: string, schema = defaultSchema): Promise<CommonRows> {
  return withOwner(url, schema, async (tx) => {
    const [row] = await tx<[CommonRows]>`
      select (select value from auditbox.secret where name = 'content-hash') as "contentKey",
        coalesce((select json_agg(k) from auditbox.api_key k), '[]')::text as keys`;
    return row;
  });
}

/**
 * Gives a cell the key of content hashes and the keys of callers that the first cell has. Keys that only this cell has stay.
 * Resolves to how many keys are new or changed. Throws MigrationError if the cell cannot join the others: then nothing is
 * changed.
 *
 * Caller: `npm run migrate` with DATABASE_CELLS.
 * Locks: the migrators' lock, and the rows of keys.
 * Crash: all is copied, or nothing; the next call continues.
 */
export async function copyToCell(
  { name, url, takesEvents }: { readonly name: string; readonly url: string; readonly takesEvents: boolean },
  { contentKey, keys }: CommonRows,
  schema = defaultSchema,
): Promise<number> {
  try {
    return await withOwner(url, schema, async (tx) => {
      if (takesEvents) await setContentKey(tx, name, contentKey);
      const rows = await tx`
        insert into auditbox.api_key as k
        select * from json_populate_recordset(null::auditbox.api_key, ${keys}::text::json)
        -- A key that was made in all cells has another row id in each.
        on conflict (key_hash) do update
        set key_id = excluded.key_id, name = excluded.name, scopes = excluded.scopes, tenant = excluded.tenant,
          bounds = excluded.bounds, expires_at = excluded.expires_at, replaced_at = excluded.replaced_at,
          -- A key that was revoked anywhere stays revoked.
          revoked_at = coalesce(k.revoked_at, excluded.revoked_at), revoked_by = coalesce(k.revoked_by, excluded.revoked_by)
        where (k.key_id, k.name, k.scopes, k.tenant, k.bounds::text, k.expires_at, k.replaced_at)
            is distinct from (excluded.key_id, excluded.name, excluded.scopes, excluded.tenant, excluded.bounds::text,
              excluded.expires_at, excluded.replaced_at)
          or (k.revoked_at is null and excluded.revoked_at is not null)
        returning k.id`;
      return rows.length;
    });
  } catch (error) {
    if (toDatabaseError(error)?.constraint !== 'api_key_current_name') throw error;
    throw new MigrationError(
      `The cell ${name} has a valid key whose name another key of the first cell has. Revoke one of the two.`,
    );
  }
}

async function setContentKey(tx: Sql, cell: string, contentKey: string): Promise<void> {
  const [row] = await tx<[{ isSame: boolean; isUsed: boolean }]>`
    select value = ${contentKey} as "isSame",
      exists (select from auditbox.audit_log where content_hash is not null) as "isUsed"
    from auditbox.secret where name = 'content-hash'`;
  if (row.isSame) return;
  if (row.isUsed)
    throw new MigrationError(
      `The cell ${cell} has events of an api that ran without the other cells, so an event that is sent again could be stored twice. Make it a cell that is only read, with \`:read\` in front of its \`=\`.`,
    );
  await tx`update auditbox.secret set value = ${contentKey} where name = 'content-hash'`;
}

/** Works in one transaction as the owner of the schema. */
export async function withOwner<T>(url: string, schema: string, work: (tx: Sql) => Promise<T>): Promise<T> {
  const sql = openMigrator(url, schema);
  try {
    await greetAsMigrator(sql);
    return await asOwner(sql, await chooseOwner(sql), work);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
