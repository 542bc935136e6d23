import type { Database } from '../database/connect.ts';

/** `max_value` unless given, as in `auditbox.capture`. */
export const defaultMaxValue = 16_384;

/** How a table is captured: the arguments of `auditbox.capture`. */
export interface CaptureOptions {
  readonly key: readonly string[];
  readonly exclude: readonly string[];
  readonly mask: readonly string[];
  readonly ignore: readonly string[];
  readonly max_value: number;
  readonly require_actor: boolean;
  readonly on_truncate: 'refuse' | 'record';
  readonly name: string | null;
}

/**
 * Captures a table, or changes how it is captured. The table's name has its schema: `public.invoices`.
 *
 * Caller: `npm run capture -- add`, outside of any transaction, as a member of the table's owner.
 * Locks: the table, like CREATE TRIGGER: writers wait, and so does this for them.
 * Crash: the table is captured as asked, or as before.
 */
export async function addCapture(db: Database, table: string, options: CaptureOptions): Promise<void> {
  // No arrays and no casts by the driver: one JSON text is the whole parameter.
  await db.query(
    (sql) => sql`
      select auditbox.capture(${table}::text::regclass, array(select json_array_elements_text(o -> 'key')),
        array(select json_array_elements_text(o -> 'exclude')), array(select json_array_elements_text(o -> 'mask')),
        array(select json_array_elements_text(o -> 'ignore')), (o ->> 'max_value')::int, (o ->> 'require_actor')::boolean,
        o ->> 'on_truncate', o ->> 'name')
      from (select ${JSON.stringify(options)}::text::json as o) given`,
  );
}

/**
 * Ends the capture of a table, also of one that was dropped. What was recorded stays.
 *
 * Caller: `npm run capture -- remove`, outside of any transaction, as a member of the table's owner.
 * Locks: the table, like DROP TRIGGER: readers and writers wait for some milliseconds.
 * Crash: the table is captured as before, or not at all.
 */
export async function removeCapture(db: Database, table: string): Promise<void> {
  const [schema = '', name = ''] = splitName(table);
  await db.query(
    (sql) => sql`
      select case when c.oid is null then auditbox.forget_capture(t.schema_name, t.table_name)
        else auditbox.uncapture(c.oid::regclass) end
      from (select ${schema}::text as schema_name, ${name}::text as table_name) t
      left join pg_namespace n on n.nspname = t.schema_name
      left join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name`,
  );
}

/** The parts of `public.invoices`, or of a name with a quoted part: `public."In.voices"`. */
export function splitName(table: string): string[] {
  return [...table.matchAll(/"((?:[^"]|"")*)"|([^."]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? '',
  );
}

/** A captured table. */
export interface CapturedTable {
  readonly table: string;
  readonly options: CaptureOptions;
  readonly capturedAt: string;
  readonly capturedBy: string;
}

/**
 * Caller: `npm run capture -- list`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listCaptures(db: Database): Promise<CapturedTable[]> {
  return db.query(
    (sql) => sql<CapturedTable[]>`
      select format('%I.%I', schema_name, table_name) as table, options, captured_by as "capturedBy",
        to_char(captured_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "capturedAt"
      from auditbox.captured_table
      order by schema_name, table_name`,
  );
}
