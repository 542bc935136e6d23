import type { Database } from '@auditbox/db/database/connect.ts';
import { renderBatch } from '@auditbox/db/export/render-batch.ts';
import type { Archive, ArchivedObject } from './archive.ts';

interface Seen {
  readonly archive: Archive;
  readonly fresh: readonly ArchivedObject[];
  /** Number of copies by event id. */
  readonly timesArchived: ReadonlyMap<string, number>;
  readonly quarantined: ReadonlySet<string>;
  /** Whether outbox rows may be gone after their export. */
  readonly prunes: boolean;
}

/** Compares the database with the bucket: missing rows, states, hashes, bytes. Returns the differences. */
export async function findDisagreements(db: Database, seen: Seen): Promise<string[]> {
  return [
    ...(await findOddRows(db, seen)),
    ...(await findOddBatches(db, seen.archive)),
    ...(await findOtherBytes(db, seen)),
  ];
}

/** Every audit row must have an outbox row that is done and in the bucket, or was pruned after that. */
async function findOddRows(
  { sql }: Database,
  { timesArchived, quarantined, archive, prunes }: Seen,
): Promise<string[]> {
  const rows = await sql<{ id: string; hasAudit: boolean; state: string | null; key: string | null }[]>`
    select coalesce(a.id, o.audit_id) as id, a.id is not null as "hasAudit", o.state, o.object_key as key
    from audit_log a full join outbox_status o on o.audit_id = a.id`;
  const problems: string[] = [];
  const recorded = new Set(rows.map(({ id }) => id));
  for (const id of timesArchived.keys()) if (!recorded.has(id)) problems.push(`${id} is archived, but not recorded`);
  for (const { id, hasAudit, state, key } of rows) {
    if (quarantined.has(id)) {
      if (state !== 'quarantined') problems.push(`${id} is ${state}, not quarantined`);
      continue;
    }
    if (!hasAudit) problems.push(`${id} has an outbox row and no audit row`);
    if (!timesArchived.has(id)) problems.push(`${id} is recorded (${state ?? 'no outbox row'}), but in no object`);
    if (state === null) {
      if (!prunes) problems.push(`${id} has an audit row and no outbox row`);
      continue;
    }
    if (state !== 'done') problems.push(`${id} is in the bucket, but ${state} in the view`);
    else if (!archive.objects.get(key ?? '')?.events.some((event) => event.id === id))
      problems.push(`${id} is not in ${key}, although the view says so`);
  }
  return problems;
}

/** Every batch must be done and have an object with its hash and row count. Every object must have a batch. */
async function findOddBatches({ sql }: Database, { objects }: Archive): Promise<string[]> {
  const batches = await sql<{ key: string; sha256: string; rows: number; state: string }[]>`
    select object_key as key, sha256, row_count as rows, state from export_batch`;
  const problems: string[] = [];
  const known = new Set(batches.map(({ key }) => key));
  for (const key of objects.keys()) if (!known.has(key)) problems.push(`${key} belongs to no batch`);
  for (const { key, sha256, rows, state } of batches) {
    if (state !== 'done') problems.push(`the batch of ${key} is ${state}`);
    const object = objects.get(key);
    if (object?.sha256 !== sha256) problems.push(`${key} does not have the hash of its batch`);
    if (object?.events.length !== rows) problems.push(`${key} does not have the ${rows} rows of its batch`);
  }
  return problems;
}

/** Rendering a batch again must give the archived bytes. */
async function findOtherBytes(db: Database, { fresh, prunes }: Seen): Promise<string[]> {
  const problems: string[] = [];
  for (const { key, ndjson } of fresh) {
    const [batch] = await db.sql<{ id: string; isWhole: boolean }[]>`
      select b.id::text, (select count(*) from outbox o where o.batch_id = b.id) = b.row_count as "isWhole"
      from export_batch b where b.object_key = ${key}`;
    if (!batch?.isWhole) {
      if (!prunes) problems.push(`${key} has outbox rows missing`);
      continue;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of renderBatch(db, batch.id)) chunks.push(chunk.ndjson);
    if (!Buffer.concat(chunks).equals(ndjson)) problems.push(`${key} differs from a new rendering of its batch`);
  }
  return problems;
}
