import type { Database } from '../connect.ts';
import { databaseFault, isPassingFault } from '../database-error.ts';
import { eventJson } from '../event-json.ts';
import type { BadRow } from './quarantine-rows.ts';

/**
 * The rows of a batch that Postgres cannot render, each with the reason; found by trying each alone. Called by the
 * exporter when rendering the whole failed; takes no locks.
 */
export async function findBadRows(db: Database, batchId: string): Promise<BadRow[]> {
  const { sql } = db;
  const ids = await db.answer(sql<{ id: string; audit_id: string }[]>`
    select id::text, audit_id from outbox where batch_id = ${batchId} order by id`);
  const bad: BadRow[] = [];
  for (const { id: outboxId, audit_id: auditId } of ids) {
    const reason = await whyUnrenderable(db, auditId);
    if (reason !== null) bad.push({ outboxId, reason });
  }
  return bad;
}

async function whyUnrenderable(db: Database, auditId: string): Promise<string | null> {
  try {
    const rows = await db.answer(db.sql`
      select octet_length(${db.sql.unsafe(eventJson)}) from audit_log a where a.id = ${auditId}`);
    return rows.length === 1 ? null : 'The audit row is not there any more.';
  } catch (error) {
    const fault = databaseFault(error);
    if (fault === null || isPassingFault(fault)) throw error;
    return `The event cannot be rendered: ${fault.message} (${fault.code}).`;
  }
}
