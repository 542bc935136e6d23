import type { Database } from '@auditbox/db/database/connect.ts';
import { copyBatchLines, type LinesOf } from '@auditbox/db/export/copy-batch-lines.ts';
import type { Archive, FreshObject } from './archive.ts';

interface Seen {
  readonly archive: Archive;
  readonly fresh: readonly FreshObject[];
  /** Number of copies by event id. */
  readonly timesArchived: ReadonlyMap<string, number>;
  readonly rejected: ReadonlySet<string>;
}

/** Compares the databases of all cells with the bucket: missing rows, states, hashes, bytes. Returns the differences. */
export async function findDisagreements(cells: readonly Database[], seen: Seen): Promise<string[]> {
  const problems = [await findOddRows(cells, seen), await findOddDeliveries(cells, seen.archive)];
  for (const db of cells) problems.push(await findOddIds(db), await findOtherBytes(db, seen));
  return problems.flat();
}

interface RecordedRow {
  readonly id: string;
  readonly hasAudit: boolean;
  readonly state: string | null;
  readonly key: string | null;
}

/** Every audit row must have an outbox row that is done and in the bucket. An id is in one cell. */
async function findOddRows(cells: readonly Database[], { timesArchived, rejected, archive }: Seen): Promise<string[]> {
  const rows = (await Promise.all(cells.map(readRows))).flat();
  const problems: string[] = [];
  const recorded = new Set<string>();
  const idsIn = new Map([...archive.objects].map(([key, { events }]) => [key, new Set(events.map(({ id }) => id))]));
  for (const { id } of rows) {
    if (recorded.has(id)) problems.push(`${id} is recorded in two cells`);
    recorded.add(id);
  }
  for (const id of timesArchived.keys()) if (!recorded.has(id)) problems.push(`${id} is archived, but not recorded`);
  for (const { id, hasAudit, state, key } of rows) {
    if (rejected.has(id)) {
      if (state !== 'rejected') problems.push(`${id} is ${state}, not rejected`);
      continue;
    }
    if (!hasAudit) problems.push(`${id} has an outbox row and no audit row`);
    if (!timesArchived.has(id)) problems.push(`${id} is recorded (${state ?? 'no outbox row'}), but in no object`);
    if (state === null) problems.push(`${id} has an audit row and no outbox row`);
    else if (state !== 'done') problems.push(`${id} is in the bucket, but ${state} in the view`);
    else if (!idsIn.get(key ?? '')?.has(id)) problems.push(`${id} is not in ${key}, although the view says so`);
  }
  return problems;
}

async function readRows({ sql }: Database): Promise<readonly RecordedRow[]> {
  return sql<RecordedRow[]>`
    select coalesce(a.id, o.audit_id) as id, a.id is not null as "hasAudit", o.state, o.object_key as key
    from auditbox.audit_log a
    full join (select * from auditbox.outbox_status where destination = 's3') o on o.audit_id = a.id`;
}

/** Every outbox row must be in exactly one batch, and the frontier must not count one of these as a gap. */
async function findOddIds({ sql }: Database): Promise<string[]> {
  const rows = await sql<{ id: string; batches: number; isGap: boolean }[]>`
    select o.id::text, count(b.id)::int as batches, coalesce(bool_or(f.gaps @> o.id), false) as "isGap"
    from auditbox.outbox o
    left join auditbox.batch b on b.outbox_ids @> o.id and b.replay_for is null
    left join auditbox.frontier f on true
    group by o.id
    having count(b.id) <> 1 or bool_or(f.gaps @> o.id)`;
  return rows.map(
    ({ id, batches, isGap }) => `the outbox row ${id} is in ${batches} batches${isGap ? ' and is a gap' : ''}`,
  );
}

/** Every delivery to S3 must be done and have an object with its hash and row count. Every object must have a delivery. */
async function findOddDeliveries(cells: readonly Database[], { objects }: Archive): Promise<string[]> {
  const deliveries = (await Promise.all(cells.map(readDeliveries))).flat();
  const problems: string[] = [];
  const known = new Set(deliveries.map(({ key }) => key));
  for (const key of objects.keys()) if (!known.has(key)) problems.push(`${key} belongs to no delivery`);
  for (const { batch, key, sha256, rows, state } of deliveries) {
    // All its rows are rejected, and an empty object is never written.
    if (state === 'failed' && rows === 0) continue;
    if (state !== 'done') problems.push(`the delivery of batch ${batch} is ${state}`);
    const object = objects.get(key);
    if (object?.sha256 !== sha256) problems.push(`${key} does not have the hash of its delivery`);
    if (object?.events.length !== rows) problems.push(`${key} does not have the ${rows} rows of its delivery`);
  }
  return problems;
}

interface RecordedDelivery {
  readonly batch: string;
  readonly key: string;
  readonly sha256: string;
  readonly rows: number;
  readonly state: string;
}

async function readDeliveries({ sql }: Database): Promise<readonly RecordedDelivery[]> {
  return sql<RecordedDelivery[]>`
    select d.batch_id::text as batch, d.object_key as key, d.sha256, d.state,
      b.row_count - (
        select count(*)::int from auditbox.rejection r where r.destination = d.destination and r.batch_id = d.batch_id
      ) as rows
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id where d.destination = 's3'`;
}

/** Rendering a batch again must give the archived bytes. */
async function findOtherBytes(db: Database, { fresh }: Seen): Promise<string[]> {
  const problems: string[] = [];
  for (const { key, ndjson, events } of fresh) {
    const [batch] = await db.sql<[LinesOf?]>`
      select d.destination, b.id::text as "batchId", ${events.length}::int as "rowCount",
        to_char(b.first_occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "firstOccurredAt",
        to_char(b.last_occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "lastOccurredAt"
      from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
      where d.object_key = ${key}`;
    if (!batch) continue;
    const chunks: Buffer[] = [];
    const lines = await copyBatchLines(db, batch, (chunk) => chunks.push(chunk), new AbortController().signal);
    if (lines.kind !== 'whole') problems.push(`${key} has ${events.length} rows, a new rendering ${lines.rows}`);
    else if (!Buffer.concat(chunks).equals(ndjson)) problems.push(`${key} differs from a new rendering of its batch`);
  }
  return problems;
}
