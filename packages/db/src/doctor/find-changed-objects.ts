import { readFileSync } from 'node:fs';
import type { Database } from '../database/connect.ts';
import { defaultSchema } from '../database/schema-name.ts';
import { type CatalogObject, readCatalog } from './read-catalog.ts';
import type { Tampering } from './tampering.ts';

/** Written by `npm run db:schema`. */
const expectedFile = new URL('expected-catalog.json', import.meta.url);

/** Objects that somebody changed, added or removed after the migrations. */
export async function findChangedObjects(db: Database, schema: string = defaultSchema): Promise<Tampering[]> {
  const expected: Readonly<Record<string, string>> = JSON.parse(readFileSync(expectedFile, 'utf8'));
  const found = await db.query((sql) => readCatalog(sql));
  const known = new Map(found.map(({ object, definition }) => [object, toComparable(definition, schema)]));
  const missing = Object.keys(expected).filter(
    (object) => !known.has(object) && !isNamedElsewhere(object, expected[object]),
  );
  const changed = found.filter(
    ({ object, definition }) =>
      object in expected && toComparable(definition, schema) !== toComparable(expected[object] ?? '', defaultSchema),
  );
  const added = found.filter(({ object, definition }) => !(object in expected) && changesRows({ object, definition }));
  return [
    ...missing.map((object) => ({ says: `the ${object} is missing`, remedy: null })),
    ...changed.map(({ object, definition }) => ({ says: `the ${object} was changed: ${definition}`, remedy: null })),
    ...added.map(({ object, definition }) => ({ says: `the ${object} was added: ${definition}`, remedy: null })),
    ...(await findChangedMonths(db)),
  ];
}

/** The check of tables and the comparison of functions name these when they are missing. */
function isNamedElsewhere(object: string, definition = ''): boolean {
  return /^(column|index|function) /.test(object) || /^(CHECK|PRIMARY KEY|UNIQUE|EXCLUDE)/.test(definition);
}

/** What a person may add: an index that is not unique, a table, a view. The other objects refuse or change rows. */
function changesRows({ object, definition }: CatalogObject): boolean {
  return /^constraint |^function /.test(object) || definition.startsWith('CREATE UNIQUE INDEX');
}

/** Versions of Postgres differ in white space and quotes; the schema has the name that DATABASE_SCHEMA says. */
function toComparable(definition: string, schema: string): string {
  const plain = definition.replaceAll('"', '').replace(/[\s()]+/g, ' ');
  return plain.replaceAll(new RegExp(`(?<![\\w.])${schema}\\.`, 'g'), 'auditbox.').trim();
}

/**
 * Months whose columns or constraints differ from those of audit_log, and months that are closed before they are over.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findChangedMonths(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      with month as (
        select i.inhrelid as oid, c.relname, i.inhparent from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'auditbox.audit_log'::regclass
      ), col as (
        select a.attrelid, a.attname, concat_ws(' ', case when a.attgenerated <> '' then 'generated as' end,
          coalesce(pg_get_expr(d.adbin, d.adrelid), 'null')) as value
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attnum > 0 and not a.attisdropped and (a.attrelid in (select oid from month) or a.attrelid = 'auditbox.audit_log'::regclass)
      )
      select format('the column %s of the month %s has another default than audit_log', c.attname, m.relname) as says,
        null as remedy
      from month m join col c on c.attrelid = m.oid join col p on p.attrelid = m.inhparent and p.attname = c.attname
      where c.value <> p.value
      union all
      select format('the month %s has the constraint %s, which audit_log does not have', m.relname, k.conname),
        format('alter table auditbox.%I drop constraint %I', m.relname, k.conname)
      from month m join pg_constraint k on k.conrelid = m.oid
      where k.coninhcount = 0 and k.contype in ('c', 'u', 'f', 'x') and k.conname <> 'audit_log_month_closed'
      union all
      select format('the month %s has the unique index %s, which audit_log does not have', m.relname, i.relname),
        format('drop index auditbox.%I', i.relname)
      from month m join pg_index x on x.indrelid = m.oid and x.indisunique join pg_class i on i.oid = x.indexrelid
      where not i.relispartition
      union all
      select format('the month %s is closed to events and is not over', l.name),
        format('alter table auditbox.%I drop constraint audit_log_month_closed', l.name)
      from auditbox.list_months() l where l.is_closed and l.ends_at > clock_timestamp()
      union all
      select format('the table %s inherits from the table %s, which shows its rows, too', i.inhrelid::regclass, c.relname),
        format('alter table %s no inherit auditbox.%I', i.inhrelid::regclass, c.relname)
      from pg_inherits i join pg_class c on c.oid = i.inhparent join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'auditbox' and c.relkind = 'r'
      order by says`,
  );
}
