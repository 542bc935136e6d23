import { archiveDestination as archive } from '@auditbox/core/export/archive-destination.ts';
import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';
import type { Tampering } from './tampering.ts';

/** What the rows show of tampering. Row-level security on one table hides nothing of the others. */
export async function findInRows(db: Database): Promise<Tampering[]> {
  const found = await Promise.all(
    [findSequencesBehind, findUndelivered, findPostponed, findPlantedEntries].map((find) =>
      find(db).catch((error: unknown) => {
        // Row-level security hides rows, which the catalog names.
        if (error instanceof DatabaseError && error.code === '42501') return [];
        throw error;
      }),
    ),
  );
  return found.flat();
}

/**
 * Sequences that would give ids again.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findSequencesBehind(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select 'the sequence outbox_id_seq is behind the outbox' as says,
        format('select setval(''auditbox.outbox_id_seq'', %s)', max_id) as remedy
      from (select max(id) as max_id from auditbox.outbox) o
      where max_id > (select last_value from auditbox.outbox_id_seq)
      union all
      select 'the sequence batch_id_seq is behind the batches', format('select setval(''auditbox.batch_id_seq'', %s)', max_id)
      from (select max(id) as max_id from auditbox.batch) b
      where max_id > (select last_value from auditbox.batch_id_seq)`,
  );
}

/**
 * A bucket that is no destination, and batches that have no delivery to it.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findUndelivered(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select format('the destination %s is missing: nothing is exported', archive) as says,
        format('insert into auditbox.destination (name) values (%L)', archive) as remedy
      from (values (${archive}::text)) as wanted (archive)
      where not exists (select from auditbox.destination d where d.name = archive)
      union all
      select format('%s of the newest 10,000 batches have no delivery to %s', count(*), ${archive}::text),
        format('insert into auditbox.delivery (destination, batch_id) select %L, id from auditbox.batch where replay_for is null on conflict do nothing', ${archive}::text)
      from (select b.id from auditbox.batch b where b.replay_for is null order by b.id desc limit 10000) b
      where not exists (select from auditbox.delivery d where d.destination = ${archive} and d.batch_id = b.id)
        and exists (select from auditbox.destination d where d.name = ${archive})
      having count(*) > 0`,
  );
}

/**
 * Deliveries that wait for longer than any retry or lease lasts. Somebody changed their times.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findPostponed(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select format(
          case count(*) when 1 then '%s delivery to %s waits' else '%s deliveries to %s wait' end || ' for more than a day',
          count(*), d.destination) as says,
        format('update auditbox.delivery set next_attempt_at = now(), state = ''sealed'', lease_token = null, leased_until = null where destination = %L and state in (''sealed'', ''sending'') and (next_attempt_at > now() + interval ''1 day'' or leased_until > now() + interval ''1 day'')', d.destination) as remedy
      from auditbox.destination n join auditbox.delivery d on d.destination = n.name
      where d.state in ('sealed', 'sending')
        and (d.next_attempt_at > clock_timestamp() + interval '1 day' or d.leased_until > clock_timestamp() + interval '1 day')
      group by d.destination`,
  );
}

/**
 * Entries behind the end of a log. Somebody inserted them, and the log cannot grow over them.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findPlantedEntries(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select format('the log of %s has %s %s behind its end', d.name, count(*), case count(*) when 1 then 'entry' else 'entries' end) as says, null as remedy
      from auditbox.destination d left join auditbox.log_head h on h.destination = d.name
      join auditbox.log_entry e on e.destination = d.name and e.index >= coalesce(h.size, 0)
      group by d.name`,
  );
}
