import type { Sql } from 'postgres';

/** Whether the three roles were given rights in this database before. Called by `npm run migrate`; takes no locks. */
export async function haveRights(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ given: boolean }]>`
    select exists (
      select from pg_class, aclexplode(relacl) as entry
      where oid = 'audit_log'::regclass and entry.grantee = to_regrole('auditbox_api')
    ) as given`;
  return row.given;
}
