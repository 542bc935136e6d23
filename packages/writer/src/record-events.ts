import { type AuditEvent, printEvents } from './audit-event.ts';
import { toJsonText } from './json-text.ts';

/**
 * Runs a statement in the caller's transaction and returns its rows. Parameters are `$1`, `$2` in the text. The functions of
 * `drivers.ts` make one from a transaction of each library.
 */
export type Run = (text: string, parameters: readonly (string | null)[]) => Promise<readonly unknown[]>;

export interface WriterOptions {
  /** The schema of Auditbox (DATABASE_SCHEMA). */
  readonly schema?: string;
}

/**
 * Records events in the transaction that `run` belongs to: they are stored if it commits, and only then. Calls the function
 * `auditbox.record`, so a repeated event with the same id changes nothing, and a missing month is made.
 *
 * Returns the ids in the order of the events. Throws InvalidAuditEventError, or the driver's error; the transaction is
 * aborted then.
 */
export async function recordEvents(
  run: Run,
  events: readonly AuditEvent[],
  options: WriterOptions = {},
): Promise<string[]> {
  const schema = quoteSchema(options);
  if (events.length === 0) return [];
  // One text for all events: no driver changes the digits of a value or makes an array of it.
  const rows = await run(
    `select ${schema}.record(e.changed_by, e.action, e.table_name, e.object_id, e.updated_values, e.before_value, e.context,
       coalesce(e.changed_by_api_key, ''), e.updated_at, e.id)::text as id
     from json_to_recordset($1::text::json) as e (changed_by text, changed_by_api_key text, action text, table_name text,
       object_id text, before_value json, updated_values json, context json, updated_at timestamptz, id uuid)`,
    [printEvents(events)],
  );
  return rows.map((row) => (row as { id: string }).id);
}

/**
 * Says who acts in this transaction, for tables that are captured by triggers. It ends with the transaction.
 *
 * Throws the driver's error; the transaction is aborted then.
 */
export async function actAs(
  run: Run,
  actor: string,
  context?: Readonly<Record<string, unknown>>,
  options: WriterOptions = {},
): Promise<void> {
  // In the FROM list: some libraries cannot read a column of the type void.
  await run(`select 1 as acts from ${quoteSchema(options)}.as($1::text, $2::text::json)`, [actor, toJsonText(context)]);
}

function quoteSchema({ schema = 'auditbox' }: WriterOptions): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new TypeError(`${JSON.stringify(schema)} is not a name that DATABASE_SCHEMA accepts.`);
  return `"${schema}"`;
}
