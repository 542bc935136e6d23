import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { eventJson } from '../sql/event-json.ts';
import { idsIn } from '../sql/ids-in.ts';
import type { BadRow } from './reject-rows.ts';

/** Rows that are rendered together first. */
const firstPart = 1_000;

/**
 * The rows of a delivery that can never be rendered, each with the reason: the event is gone, or its data make Postgres
 * raise an error. Found by halving. Errors of the server blame no row; they are thrown.
 *
 * Caller: the exporter when rendering the whole did not give all rows.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findBadRows(db: Database, delivery: LeasedDelivery): Promise<BadRow[]> {
  const bad: BadRow[] = [];
  const ids = await listRows(db, delivery);
  for (let from = 0; from < ids.length; from += firstPart) {
    bad.push(...(await search(db, delivery, ids.slice(from, from + firstPart))));
  }
  return bad;
}

async function search(db: Database, delivery: LeasedDelivery, ids: readonly string[]): Promise<BadRow[]> {
  const reason = await whyIncomplete(db, delivery, ids);
  const [first] = ids;
  if (reason === null || first === undefined) return [];
  if (ids.length === 1) return [{ outboxId: first, reason }];
  const middle = ids.length >> 1;
  return [...(await search(db, delivery, ids.slice(0, middle))), ...(await search(db, delivery, ids.slice(middle)))];
}

async function whyIncomplete(db: Database, delivery: LeasedDelivery, ids: readonly string[]): Promise<string | null> {
  const { firstOccurredAt, lastOccurredAt } = delivery;
  try {
    const [row] = await db.query(
      (sql) => sql<[{ rows: number }]>`
        -- The length needs the whole line.
        select count(octet_length(${db.sql.unsafe(eventJson)}))::int as rows
        from auditbox.outbox o
        join auditbox.audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
          and a.occurred_at between ${firstOccurredAt}::text::timestamptz and ${lastOccurredAt}::text::timestamptz
        where o.id in (${idsIn(db.sql, ids)})`,
    );
    return row.rows === ids.length ? null : 'The event is not in the database any more.';
  } catch (error) {
    const failure = toDatabaseError(error);
    if (failure === null || failure.kind !== 'data') throw error;
    return `The event cannot be rendered: ${failure.message} (${failure.code}).`;
  }
}

async function listRows(db: Database, { destination, batchId }: LeasedDelivery): Promise<string[]> {
  const rows = await db.query(
    (sql) => sql<{ id: string }[]>`
      select o.id::text
      from (select unnest(outbox_ids) as ids from auditbox.batch where id = ${batchId}) b
      join auditbox.outbox o on o.id >= lower(b.ids) and o.id < upper(b.ids)
      where o.id <> all (array(
        select outbox_id from auditbox.rejection where destination = ${destination} and batch_id = ${batchId}
      ))
      order by o.id`,
  );
  return rows.map(({ id }) => id);
}
